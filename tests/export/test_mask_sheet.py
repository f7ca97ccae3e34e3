"""Masks drawn into pictures, and pictures laid on a sheet."""

from __future__ import annotations

import numpy as np
from segharness.export import Picture, overlay, overlay_sheet

GRAY = np.full((6, 8, 3), 100, np.uint8)


def mask(top, left, bottom, right):
    pixels = np.zeros((6, 8), bool)
    pixels[top:bottom, left:right] = True
    return pixels


def test_a_mask_is_tinted_and_outlined_and_the_rest_is_left_alone():
    drawn = overlay(GRAY, [mask(1, 1, 5, 6)])
    assert np.array_equal(drawn[~mask(1, 1, 5, 6)], GRAY[~mask(1, 1, 5, 6)])
    inside, outline = mask(2, 2, 4, 5), mask(1, 1, 5, 6) & ~mask(2, 2, 4, 5)
    assert len(np.unique(drawn[inside], axis=0)) == 1 and len(np.unique(drawn[outline], axis=0)) == 1
    colour = drawn[1, 1].astype(float)
    assert np.allclose(drawn[2, 2], 0.55 * 100 + 0.45 * colour, atol=1)


def test_masks_have_colours_of_their_own_and_later_ones_lie_above():
    drawn = overlay(GRAY, [mask(0, 0, 3, 8), mask(3, 0, 6, 8)])
    assert not np.array_equal(drawn[0, 0], drawn[5, 0])
    both = overlay(GRAY, [mask(0, 0, 6, 4), mask(0, 0, 6, 4)])
    assert not np.array_equal(both[0, 0], overlay(GRAY, [mask(0, 0, 6, 4)])[0, 0])


def test_outlines_are_one_pixel_of_the_enlarged_picture():
    drawn = overlay(GRAY, [mask(1, 1, 5, 6)], times=3)
    assert drawn.shape == (18, 24, 3)
    assert np.array_equal(drawn[3, 3:18], np.tile(drawn[3, 3], (15, 1))) and not np.array_equal(
        drawn[4, 4], drawn[3, 3]
    )


def test_without_masks_a_picture_is_itself():
    assert np.array_equal(overlay(GRAY, []), GRAY)


def test_rows_of_a_sheet_are_as_high_as_their_tallest_picture():
    tall, wide = np.full((60, 20, 3), 50, np.uint8), np.full((10, 20, 3), 200, np.uint8)
    pictures = [Picture(name, pixels, []) for name, pixels in (("a", wide), ("b", tall), ("c", wide))]
    sheet = overlay_sheet(pictures, columns=2, width=40)
    assert sheet.shape == ((24 + 2 * (120 + 6)) + (24 + 2 * (20 + 6)), 6 + 2 * 46, 3)
    assert (sheet[24:44, 6:46] == 200).all() and (sheet[24:144, 52:92] == 50).all()
    second = 24 + 2 * 126
    assert (sheet[second + 24 : second + 44, 6:46] == 200).all()
    assert (sheet[second:, 52:] == 255).all(), "the last row has one picture"


def test_large_pictures_are_shrunk_to_the_width():
    large = np.full((300, 600, 3), 70, np.uint8)
    sheet = overlay_sheet([Picture("a", large, [np.ones((300, 600), bool)])], columns=6, width=100)
    assert sheet.shape == (24 + 2 * 56, 6 + 106, 3)
    assert (sheet[24:74, 6:106] == 70).all() and (sheet[80:130, 6:106] != 70).any()
