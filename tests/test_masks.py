"""Compressed counts are read as pycocotools reads them, and what is none is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from segharness.masks import check_counts, run_lengths


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_run_lengths_are_pycocotools(height, width, seed, share):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < share).astype(np.uint8)
    if rng.random() < 0.5:
        mask = np.sort(mask, axis=0)
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    expected = np.diff(np.concatenate([[0], edges, [flat.size]]))
    if flat[0]:
        expected = np.concatenate([[0], expected])
    counts = rle.encode(np.asfortranarray(mask))["counts"]
    assert run_lengths(counts).tolist() == expected.tolist()
    assert run_lengths(counts.decode()).tolist() == expected.tolist()
    check_counts(counts, height, width)


def test_large_masks():
    mask = np.zeros((3000, 4000), np.uint8, order="F")
    mask[100:2900, 50:3950] = 1
    check_counts(rle.encode(mask)["counts"], 3000, 4000)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (b"", "cover 0 pixels"),
        (b"1", "cover 1 pixels"),
        (b"\x01", "characters that no RLE has"),
        (b"~~~~garbage", "characters that no RLE has"),
        (b"P", "end in the middle"),
        (b"ooooooooo0", "too large"),
        (b"O", "negative run"),
    ],
)
def test_what_is_no_rle_is_said(counts, message):
    with pytest.raises(ValueError, match=message):
        check_counts(counts, 8, 10)
