"""Decodes images to uint8 RGB pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from segharness.errors import ImageError
from segharness.records import Sample

if TYPE_CHECKING:
    from segharness.records import Image

EXIF_NOTE = (
    "images carry an EXIF orientation and have their declared size with it and without: the stored pixels are taken; the "
    "option `orientation: apply` turns them"
)
"""What is said where an orientation may be meant or not."""


def decode(sample: Sample, note: Callable[[str], None] = lambda text: None) -> Image:
    """Return the pixels of a sample: uint8 RGB (H, W, 3), contiguous, read-only.

    Grayscale becomes RGB and alpha is dropped. An EXIF orientation is applied where only the turned image has the
    declared size, and else as `Sample.orientation` says.

    Args:
        sample: the image.
        note: called with `EXIF_NOTE` if the image has its declared size both turned and not, and nothing says which.

    Raises:
        ImageError: the file is missing, truncated or not an image, or its size is not what the data set declares.
    """
    turned = 1
    try:
        source = sample.source() if callable(sample.source) else sample.source
        if isinstance(source, (bytes, Path)):
            data = source.read_bytes() if isinstance(source, Path) else source
            pixels, turned = _pixels(data)
            pixels = _upright(pixels, turned, sample, note)
        else:
            pixels = source
    except FileNotFoundError as error:
        raise ImageError(f"{sample}: missing: {error.filename}") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{sample}: cannot be decoded: not an image of a known format") from error
    except (Exception, SystemExit) as error:  # Pillow raises many types; a source may raise anything
        raise ImageError(f"{sample}: cannot be decoded: {type(error).__name__}: {error}") from error
    if not isinstance(pixels, np.ndarray):
        raise ImageError(f"{sample}: its source gave a {type(pixels).__name__}, not bytes or uint8 RGB (H, W, 3)")
    if pixels.shape != (sample.height, sample.width, 3) or pixels.dtype != np.uint8:
        exif = f" (EXIF orientation {turned})" if turned != 1 else ""
        raise ImageError(
            f"{sample}: holds {pixels.dtype} {pixels.shape}{exif}, but its data set declares height {sample.height}, "
            f"width {sample.width}, RGB"
        )
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)  # conditions share them: a corruption that writes to them fails
    return pixels


_ORIENTATION = 0x0112
_TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
    7: lambda pixels: pixels.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda pixels: pixels.transpose(1, 0, 2)[::-1],
}
"""What makes stored pixels upright, by the EXIF orientation."""


def _orientation(picture: PillowImage.Image) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 without one."""
    value = picture.getexif().get(_ORIENTATION)
    return value if isinstance(value, int) and value in _TURNS else 1


def _upright(pixels: Image, orientation: int, sample: Sample, note: Callable[[str], None]) -> Image:
    """Return the pixels, turned if their orientation is to be applied; see `Sample.orientation`."""
    if orientation == 1 or sample.orientation == "stored":
        return pixels
    turned: Image = _TURNS[orientation](pixels)
    if sample.orientation == "apply":
        return turned
    declared = (sample.height, sample.width)
    if pixels.shape[:2] != declared:
        return turned if turned.shape[:2] == declared else pixels
    if turned.shape[:2] == declared:
        note(EXIF_NOTE)
    return pixels


def _pixels(data: bytes) -> tuple[Image, int]:
    """Return the stored pixels of an encoded image, uint8 RGB (H, W, 3), and its EXIF orientation."""
    with PillowImage.open(io.BytesIO(data)) as picture:
        file_format = picture.format
        if file_format == "PNG":
            picture.verify()  # checksums: otherwise Pillow decodes some damaged files without an error
    if file_format == "JPEG" and data.find(b"\xff\xd9", _scan_offset(data)) < 0:
        raise ValueError("the JPEG has no end")
    with PillowImage.open(io.BytesIO(data)) as picture:
        if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
            values = np.asarray(picture).astype(np.int64)
            if values.min() < 0 or values.max() > 65535:
                raise ValueError(f"{values.min()}..{values.max()} are no 16-bit values")
            gray = (values + 128) // 257
            return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2), _orientation(picture)
        if picture.mode == "F":
            raise ValueError("its pixels are floats")
        return np.asarray(picture.convert("RGB")), _orientation(picture)


def _scan_offset(data: bytes) -> int:
    """Return the offset of a JPEG's first scan. The segments before it, such as thumbnails, state their length."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF and data[offset + 1] != 0xDA:
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return offset
