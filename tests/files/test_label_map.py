"""Label maps: every region is pycocotools' encoding of its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as rle
from segharness.files import LabelMap

MAPS = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.int64]),
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([0, 1, 7, 200]),
)


def expected(mask):
    encoded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return encoded["counts"], int(rle.area(encoded)), tuple(rle.toBbox(encoded))


def parts(mask):
    return mask.counts, mask.area, mask.bbox


@given(MAPS)
def test_every_label_has_the_encoding_of_its_pixels(labels):
    label_map = LabelMap(labels)
    assert label_map.values.tolist() == np.unique(labels).tolist()
    for value in label_map.values.tolist():
        assert parts(label_map.mask(value)) == expected(labels == value)


@given(MAPS, st.data())
def test_several_labels_are_the_union_of_their_pixels(labels, data):
    label_map = LabelMap(labels)
    values = data.draw(st.lists(st.sampled_from(label_map.values.tolist()), min_size=1, unique=True))
    assert parts(label_map.mask(*values)) == expected(np.isin(labels, values))


def test_labels_of_16_bits_are_not_cut():
    labels = np.array([[26000, 26001], [26001, 33999]], dtype=np.uint16)
    assert LabelMap(labels).values.tolist() == [26000, 26001, 33999]
    assert LabelMap(labels).mask(26001).area == 2


def test_a_label_without_pixels_is_a_key_error():
    with pytest.raises(KeyError):
        LabelMap(np.zeros((2, 2), int)).mask(5)
