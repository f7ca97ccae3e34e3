"""A contact sheet: one image under many conditions, with a row per corruption and a column per severity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from segharness.cpu_cores import cores
from segharness.records import Condition

if TYPE_CHECKING:
    from segharness.records import Image

_GAP = 4
_BACKGROUND, _INK, _PALE = (255, 255, 255), (20, 20, 20), (110, 110, 110)


def contact_sheet(
    pixels: Image, conditions: Sequence[Condition], corrupted: Callable[[Condition], Image], width: int
) -> Image:
    """Return a labelled sheet, uint8 RGB.

    Args:
        pixels: the image, uint8 RGB (H, W, 3).
        conditions: in the order of the rows; conditions of one corruption share a row.
        corrupted: returns the image under a condition; called from several threads.
        width: of each picture on the sheet, in pixels.

    Raises:
        ImageError: whatever `corrupted` raises.
    """
    rows = list(dict.fromkeys(c.corruption for c in conditions))
    severities = sorted({c.severity or 0 for c in conditions})
    height = max(1, round(width * pixels.shape[0] / pixels.shape[1]))
    size = max(10, min(16, width // 10))
    font = ImageFont.load_default(size)
    margin = _GAP * 3 + int(max(font.getlength(str(name)) for name in [*rows, "original"]))
    top = size + 3 * _GAP
    sheet = PillowImage.new(
        "RGB",
        (margin + len(severities) * (width + _GAP), top + (len(rows) + 1) * (height + _GAP)),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)

    def shrunk(picture: Image) -> PillowImage.Image:
        return PillowImage.fromarray(picture).resize((width, height), PillowImage.Resampling.LANCZOS)

    def place(picture: PillowImage.Image, row: int, column: int) -> None:
        sheet.paste(picture, (margin + column * (width + _GAP), top + row * (height + _GAP)))

    for column, severity in enumerate(severities):
        draw.text((margin + column * (width + _GAP), _GAP), f"severity {severity}", _PALE, font)
    draw.text((_GAP, top + _GAP), "original", _INK, font)
    place(shrunk(pixels), 0, 0)
    categories = {c.corruption: c.category or "" for c in conditions}
    for row, name in enumerate(rows, 1):
        draw.text((_GAP, top + row * (height + _GAP) + _GAP), str(name), _INK, font)
        draw.text((_GAP, top + row * (height + _GAP) + 2 * _GAP + size), categories[name], _PALE, font)
    with ThreadPoolExecutor(cores()) as pool:
        for condition, picture in zip(conditions, pool.map(lambda c: shrunk(corrupted(c)), conditions), strict=True):
            place(picture, 1 + rows.index(condition.corruption), severities.index(condition.severity or 0))
    return np.asarray(sheet)
