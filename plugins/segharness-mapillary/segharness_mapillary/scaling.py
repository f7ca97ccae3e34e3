"""Scales images and segment maps to a longest side.

Pixels have areas: the centre of a scaled pixel lies in the pixel of the original that its segment is taken from.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageOps
from segharness.files import File


def scaled_size(height: int, width: int, longest_side: int) -> tuple[int, int]:
    """Return the (height, width) of an image whose longer side becomes `longest_side`; halves are rounded up.

    Example:
        >>> scaled_size(2448, 3264, 2000)
        (1500, 2000)
    """
    longer = max(height, width)
    scaled_height, scaled_width = (max(1, (2 * s * longest_side + longer) // (2 * longer)) for s in (height, width))
    return scaled_height, scaled_width


def scaled_segments(ids: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Return a map of segment ids (H, W) scaled to a (height, width), by nearest neighbour, in whole numbers."""
    rows, columns = (
        (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new) for new, old in zip(size, ids.shape, strict=True)
    )
    scaled: npt.NDArray[Any] = ids[rows[:, None], columns]
    return scaled


def scaled_pixels(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return an image, uint8 (H, W, 3), scaled to a (height, width) with OpenCV.

    ``INTER_AREA`` makes images smaller: a pixel is the mean of what it covers. ``INTER_LINEAR_EXACT`` enlarges them.
    """
    if pixels.shape[:2] == size:
        return pixels
    smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR_EXACT
    return np.asarray(cv2.resize(pixels, (size[1], size[0]), interpolation=how), dtype=np.uint8)


@dataclass(frozen=True)
class ScaledImage:
    """The source of a `segharness.Sample`: decodes an image file and scales its pixels.

    Attributes:
        file: the image.
        declared: its (height, width). A file that has it only after its EXIF orientation is applied is turned.
        size: the (height, width) to scale to.
    """

    file: File
    declared: tuple[int, int]
    size: tuple[int, int]

    def __call__(self) -> npt.NDArray[np.uint8]:
        """Return the scaled pixels, uint8 RGB.

        Raises:
            OSError, ValueError: the file is missing or damaged, or does not have the declared size.
        """
        source = self.file.source
        data = source() if callable(source) else source.read_bytes()
        assert isinstance(data, bytes)
        with Image.open(io.BytesIO(data)) as stored:
            if stored.format == "JPEG":
                _check_rows(data)
            turned = stored if _size(stored) == self.declared else ImageOps.exif_transpose(stored)
            if _size(turned) != self.declared:
                raise ValueError(f"holds {_shown(_size(stored))} pixels, its annotations {_shown(self.declared)}")
            return scaled_pixels(np.asarray(turned.convert("RGB")), self.size)


def _check_rows(data: bytes) -> None:
    """Raise ValueError if a JPEG ends before its last rows, which Pillow fills with gray without a word."""
    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    except ValueError as error:
        if "premature end" in str(error).lower() or "found marker 0xd9" in str(error).lower():
            raise ValueError("the JPEG ends before its last rows") from None


def _size(picture: Image.Image) -> tuple[int, int]:
    return picture.height, picture.width


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
