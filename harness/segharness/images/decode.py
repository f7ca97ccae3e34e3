"""Decodes images to uint8 RGB pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from segharness.errors import ImageError
from segharness.records import Sample

if TYPE_CHECKING:
    from segharness.records import Image


def decode(sample: Sample) -> Image:
    """Return the pixels of a sample: uint8 RGB (H, W, 3), contiguous, read-only.

    Grayscale becomes RGB and alpha is dropped. EXIF orientation is not applied: annotations refer to the stored pixels.

    Raises:
        ImageError: the file is missing, truncated or not an image, or its size is not what the data set declares.
    """
    try:
        source = sample.source() if callable(sample.source) else sample.source
        if isinstance(source, (bytes, Path)):
            data = source.read_bytes() if isinstance(source, Path) else source
            pixels = _pixels(data)
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
        raise ImageError(
            f"{sample}: holds {pixels.dtype} {pixels.shape}, but its data set declares height {sample.height}, "
            f"width {sample.width}, RGB"
        )
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)  # conditions share them: a corruption that writes to them fails
    return pixels


def _pixels(data: bytes) -> Image:
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
            return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
        if picture.mode == "F":
            raise ValueError("its pixels are floats")
        return np.asarray(picture.convert("RGB"))


def _scan_offset(data: bytes) -> int:
    """Return the offset of a JPEG's first scan. The segments before it, such as thumbnails, state their length."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF and data[offset + 1] != 0xDA:
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return offset
