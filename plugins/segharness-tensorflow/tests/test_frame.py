"""Boxes return to the image from every unit, and the size of a network's input is said only if it is known."""

from __future__ import annotations

import numpy as np
import pytest
from segharness_tensorflow.frame import Frame

BOX = np.float32([[10, 20, 40, 60]])
INFO = np.float32([[100, 200], [256, 512], [2.56, 2.56], [0, 0]])


@pytest.mark.parametrize(
    ("boxes", "unit"),
    [
        (BOX, "pixels"),
        (BOX / np.float32([100, 200, 100, 200]), "normalised"),
        (BOX * np.float32(2.56), "network_pixels"),
        (BOX * np.float32(2.56) / np.float32([256, 512, 256, 512]), "network_normalised"),
    ],
)
def test_every_unit_is_the_same_box(boxes, unit):
    frame = Frame((100, 200), (100, 200), (100, 200), INFO)
    assert np.allclose(frame.pixels(boxes, unit), BOX, atol=1e-4)
    assert np.allclose(frame.fractions(boxes, unit), BOX / np.float32([100, 200, 100, 200]))


def test_an_image_that_was_scaled_before_and_in_the_graph():
    """50 x 90 -> 100 x 180 in an array of 100 x 200 -> 256 x 461 in 256 x 512."""
    frame = Frame((50, 90), (100, 200), (100, 180), INFO)
    assert np.allclose(frame.pixels(BOX * np.float32(2.56), "network_pixels"), BOX / 2, atol=1e-4)
    assert frame.network_input(True) == (256, 512, "bilinear", (0, 0, 0, 512 - 461))


def test_what_the_network_was_given():
    unscaled = np.float32([[100, 200], [128, 256], [1, 1], [0, 0]])
    assert Frame((100, 200), (100, 200), (100, 200), unscaled).network_input(False) == (
        128,
        256,
        "none",
        (0, 28, 0, 56),
    )
    assert Frame((100, 200), (100, 200), (100, 200)).network_input(False) is None
    assert Frame((50, 100), (100, 200), (100, 200)).network_input(True) == (100, 200, "bilinear", (0, 0, 0, 0))


@pytest.mark.parametrize("info", [INFO * np.float32([[1], [1], [0], [1]]), INFO * np.float32(np.nan)])
def test_nonsense_of_image_info_is_refused(info):
    with pytest.raises(ValueError, match="not sizes and scales"):
        Frame((100, 200), (100, 200), (100, 200), info)
    with pytest.raises(ValueError, match="needs the output image_info"):
        Frame((100, 200), (100, 200), (100, 200)).pixels(BOX, "network_pixels")


def test_an_image_that_must_enter_unscaled_is_held_to_it():
    same = np.float32([[100, 200], [100, 200], [1, 1], [0, 0]])
    Frame((100, 200), (100, 200), (100, 200), same).check_unscaled(False)
    Frame((100, 200), (128, 256), (100, 200)).check_unscaled(True)
    with pytest.raises(ValueError, match="exported for images of 100x200; this one scales them to 256x512"):
        Frame((100, 200), (100, 200), (100, 200), INFO).check_unscaled(False)
    with pytest.raises(ValueError, match="this one scales them to 128x256"):
        Frame((100, 200), (128, 256), (128, 256)).check_unscaled(True)
    with pytest.raises(ValueError, match="does not say what its network is given"):
        Frame((100, 200), (100, 200), (100, 200)).check_unscaled(False)
