"""Masks encoded on the device are pycocotools' encoding to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as rle
from segharness_torch.encoding import encode, runs

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
MASKS = hnp.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 9)))


def expected(masks):
    return [rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


@pytest.mark.parametrize("device", DEVICES)
@given(masks=MASKS)
def test_every_mask_has_the_encoding_of_its_pixels(device, masks):
    given = torch.from_numpy(masks).to(device)
    assert encode(given) == runs(given) == expected(masks)


@pytest.mark.parametrize("device", DEVICES)
def test_large_masks_in_several_parts(device, monkeypatch):
    monkeypatch.setattr("segharness_torch.encoding._PIXELS", 100_000)
    y, x = np.mgrid[:240, :320]
    masks = np.stack([(x - 40 * i) ** 2 + (y - 100) ** 2 < 900 + 400 * i for i in range(7)])
    masks = np.concatenate([masks, np.zeros((1, 240, 320), bool), np.ones((1, 240, 320), bool)])
    given = torch.from_numpy(masks).to(device)
    assert encode(given) == runs(given) == expected(masks)
