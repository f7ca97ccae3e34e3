"""Images with their masks drawn in, side by side on a sheet."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from segharness.records import Image

_GAP = 6
_BACKGROUND, _INK = (255, 255, 255), (20, 20, 20)
_FILL = 0.45
_GOLDEN = 0.618034


@dataclass(frozen=True)
class Picture:
    """One image of the sheet.

    Attributes:
        label: the text above it.
        pixels: uint8 RGB (H, W, 3).
        masks: bool (N, H, W).
    """

    label: str
    pixels: Image
    masks: Any


def overlay(pixels: Image, masks: Any, times: int = 1) -> Image:
    """Return an image with each mask tinted in a colour of its own and outlined, uint8 RGB (H x times, W x times, 3).

    Args:
        pixels: uint8 RGB (H, W, 3).
        masks: bool (N, H, W); later ones are drawn over earlier ones.
        times: how often each pixel is repeated before outlines of one pixel are drawn.
    """
    drawn = pixels.repeat(times, axis=0).repeat(times, axis=1).astype(np.float32)
    for number, mask in enumerate(masks):
        large = np.asarray(mask, dtype=bool).repeat(times, axis=0).repeat(times, axis=1)
        colour = np.array(colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.75, 1.0), dtype=np.float32) * 255
        drawn[large] += _FILL * (colour - drawn[large])
        drawn[large & ~_eroded(large)] = colour
    return np.rint(drawn).astype(np.uint8)


def _eroded(mask: Any) -> Any:
    inside = np.pad(mask, 1)
    return mask & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]


def overlay_sheet(pictures: Iterable[Picture], columns: int, width: int) -> Image:
    """Return a sheet, uint8 RGB, with every picture without its masks and, below that, with them.

    Args:
        pictures: row by row; each is drawn and released before the next is taken.
        columns: number of pictures side by side.
        width: of each picture on the sheet, in pixels; small pictures are enlarged by a whole factor first.
    """
    font = ImageFont.load_default(12)
    cells = [(picture.label, *_cell(picture, width)) for picture in pictures]
    heights = [max(plain.height for _, plain, _ in cells[i : i + columns]) for i in range(0, len(cells), columns)]
    line = 12 + 2 * _GAP
    sheet = PillowImage.new(
        "RGB",
        (_GAP + min(columns, len(cells)) * (width + _GAP), sum(line + 2 * (height + _GAP) for height in heights)),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)
    top = 0
    for row, height in enumerate(heights):
        for column, index in enumerate(range(row * columns, min((row + 1) * columns, len(cells)))):
            left = _GAP + column * (width + _GAP)
            label, *parts = cells[index]
            draw.text((left, top + _GAP), label, _INK, font)
            for below, part in enumerate(parts):
                sheet.paste(part, (left, top + line + below * (height + _GAP)))
        top += line + 2 * (height + _GAP)
    return np.asarray(sheet)


def _cell(picture: Picture, width: int) -> tuple[PillowImage.Image, PillowImage.Image]:
    """Return a picture without and with its masks, each `width` pixels wide."""
    times = max(1, width // picture.pixels.shape[1])
    plain, drawn = overlay(picture.pixels, [], times), overlay(picture.pixels, picture.masks, times)
    size = (width, max(1, round(width * plain.shape[0] / plain.shape[1])))
    first, second = (PillowImage.fromarray(p).resize(size, PillowImage.Resampling.LANCZOS) for p in (plain, drawn))
    return first, second
