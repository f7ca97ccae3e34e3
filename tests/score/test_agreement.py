"""Agreement of two sets of predictions: laws, and values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from segharness.score.agreement import agreement
from segharness.store import PREDICTIONS, table

SIZES = {1: (40, 50), 2: (40, 50)}


def predictions(rows, masks=True):
    """Predictions of rows (image, category, score, x, y, width, height): squares in pixels."""
    counts = []
    for _, _, _, x, y, w, h in rows:
        pixels = np.zeros((40, 50), np.uint8, order="F")
        pixels[y : y + h, x : x + w] = 1
        counts.append(rle.encode(pixels)["counts"] if masks else None)
    columns = {
        "image_id": [row[0] for row in rows],
        "category_id": [row[1] for row in rows],
        "score": [row[2] for row in rows],
        "bbox": [list(map(float, row[3:])) for row in rows],
        "mask": counts,
        "annotation_id": [None] * len(rows),
    }
    return table(PREDICTIONS, columns)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([1, 2]), st.sampled_from([1, 2]), st.floats(0.05, 1), st.integers(0, 20), st.integers(0, 20),
        st.integers(0, 20), st.integers(0, 20),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.booleans())
def test_it_lies_between_0_and_1_and_is_1_for_the_same(first, second, masks):
    one, other = predictions(first, masks), predictions(second, masks)
    assert agreement(one, one, SIZES) == pytest.approx({1: 1.0, 2: 1.0})
    values = agreement(one, other, SIZES)
    assert set(values) == {1, 2} and all(0 <= value <= 1 + 1e-12 for value in values.values())


@pytest.mark.parametrize("masks", [True, False])
def test_values_by_hand(masks):
    first = [(1, 1, 0.8, 0, 0, 20, 20), (1, 2, 0.4, 20, 0, 20, 20), (1, 1, 0.04, 0, 20, 10, 10)]
    moved = [(1, 1, 0.6, 0, 0, 20, 19), (1, 2, 0.4, 30, 0, 20, 20)]  # IoU .95, and 1/3
    found = agreement(predictions(first, masks), predictions(moved, masks), SIZES)
    assert found == pytest.approx({1: 2 * 0.6 / (1.2 + 1.0), 2: 1.0})
    other_category = [(1, 2, 0.8, 0, 0, 20, 20)]
    assert agreement(predictions(first[:1], masks), predictions(other_category, masks), SIZES)[1] == 0.0
    assert agreement(predictions(first, masks), predictions([], masks), SIZES)[1] == 0.0


def test_each_instance_matches_once_the_most_confident_first():
    first = [(1, 1, 0.5, 0, 0, 20, 20), (1, 1, 0.9, 0, 0, 20, 20)]
    second = [(1, 1, 0.7, 0, 0, 20, 20)]
    assert agreement(predictions(first), predictions(second), SIZES)[1] == pytest.approx(2 * 0.7 / (1.4 + 0.7))


def test_masks_are_not_compared_with_boxes():
    rows = [(1, 1, 0.5, 0, 0, 20, 20)]
    with pytest.raises(ValueError, match="one side has masks"):
        agreement(predictions(rows), predictions(rows, masks=False), SIZES)
