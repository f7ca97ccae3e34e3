"""Encoded image -> uint8 RGB pixels."""

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

    Grayscale becomes RGB, alpha is dropped, EXIF orientation is not applied: annotations refer to the pixels as stored.

    Raises:
        ImageError: the file is missing, truncated, not an image, or not of the size that the data set declares.
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
    except (Exception, SystemExit) as error:  # Pillow raises many kinds for broken files, a source may raise anything
        raise ImageError(f"{sample}: cannot be decoded: {type(error).__name__}: {error}") from error
    if not isinstance(pixels, np.ndarray):
        raise ImageError(f"{sample}: its source gave a {type(pixels).__name__}, not bytes or uint8 RGB (H, W, 3)")
    if pixels.shape != (sample.height, sample.width, 3) or pixels.dtype != np.uint8:
        raise ImageError(
            f"{sample}: holds {pixels.dtype} {pixels.shape}, but its data set declares height {sample.height}, "
            f"width {sample.width}, RGB"
        )
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)  # every condition reads these: a corruption that writes into them fails
    return pixels


def _pixels(data: bytes) -> Image:
    with PillowImage.open(io.BytesIO(data)) as picture:
        kind = picture.format
        if kind == "PNG":
            picture.verify()  # checksums: Pillow decodes some damaged files without a word
    if kind == "JPEG" and data.find(b"\xff\xd9", _scan(data)) < 0:
        raise ValueError("the JPEG has no end")
    with PillowImage.open(io.BytesIO(data)) as picture:
        if picture.mode.startswith("I"):  # 16 bits; Pillow would clip them at 255
            values = np.asarray(picture).astype(np.int64)
            if values.min() < 0 or values.max() > 65535:
                raise ValueError(f"{values.min()}..{values.max()} are no 16-bit values")
            gray = (values + 128) // 257
            return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
        if picture.mode == "F":
            raise ValueError("its pixels are floats")
        return np.asarray(picture.convert("RGB"))


def _scan(data: bytes) -> int:
    """Return where a JPEG's first scan begins: the segments before it, thumbnails among them, say how long they are."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at
