"""Decodes images to uint8 RGB pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from segharness.errors import ImageError, coded
from segharness.images.open_image import PNG, open_image, without_pixel_limit, without_texts
from segharness.records import Sample

if TYPE_CHECKING:
    from segharness.records import Image

_LARGE = 100_000_000
"""Images of more pixels are decoded only if they have the size that their data set declares."""

EXIF_NOTE = (
    "images carry an EXIF orientation and have their declared size with it and without: the stored pixels are taken; the "
    "option `orientation: apply` turns them"
)
"""What is said where an orientation may be meant or not."""


class _OtherSizeError(Exception):
    """An image is so large that it is not decoded only to find that its size is another."""


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
            pixels, turned = _pixels(data, (sample.height, sample.width))
            pixels = _upright(pixels, turned, sample, note)
        else:
            pixels = source
    except FileNotFoundError as error:
        raise ImageError(f"{sample}: missing: {error.filename}") from error
    except UnidentifiedImageError as error:
        raise ImageError(coded("T04", f"{sample}: cannot be decoded: not an image of a known format")) from error
    except _OtherSizeError as error:
        raise ImageError(
            coded(
                "T03", f"{sample}: {error}, but its data set declares {sample.width}x{sample.height}: it is not decoded"
            )
        ) from error
    except (Exception, SystemExit) as error:  # Pillow raises many types; a source may raise anything
        raise ImageError(coded("T04", f"{sample}: cannot be decoded: {type(error).__name__}: {error}")) from error
    if not isinstance(pixels, np.ndarray):
        raise ImageError(f"{sample}: its source gave a {type(pixels).__name__}, not bytes or uint8 RGB (H, W, 3)")
    if pixels.shape != (sample.height, sample.width, 3) or pixels.dtype != np.uint8:
        exif = f" (EXIF orientation {turned})" if turned != 1 else ""
        raise ImageError(
            coded(
                "T03",
                f"{sample}: holds {pixels.dtype} {pixels.shape}{exif}, but its data set declares height {sample.height}, "
                f"width {sample.width}, RGB",
            )
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


def _pixels(data: bytes, declared: tuple[int, int]) -> tuple[Image, int]:
    """Return the stored pixels of an encoded image, uint8 RGB (H, W, 3), and its EXIF orientation."""
    data = without_texts(data) if data.startswith(PNG) else data
    with open_image(data) as picture:
        is_jpeg, is_large = data.startswith(b"\xff\xd8\xff"), picture.width * picture.height > _LARGE
        if is_large and (picture.height, picture.width) not in (declared, declared[::-1]):
            raise _OtherSizeError(f"holds {picture.width}x{picture.height} pixels")
        if picture.format == "PNG":
            picture.verify()  # checksums: otherwise Pillow decodes some damaged files without an error
    if is_jpeg and data.find(b"\xff\xd9", _scan_offset(data)) < 0:
        raise ValueError("the JPEG has no end")
    with without_pixel_limit() if is_large else contextlib.nullcontext(), open_image(data) as picture:
        if is_jpeg:
            pixels = _of_jpeg(data, "CMYK" if picture.mode == "CMYK" else "RGB")
            if pixels is not None and picture.mode in ("L", "RGB"):
                return pixels, _orientation(picture)
        if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
            values = np.asarray(picture).astype(np.int64)
            if values.min() < 0 or values.max() > 65535:
                raise ValueError(f"{values.min()}..{values.max()} are no 16-bit values")
            gray = (values + 128) // 257
            return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2), _orientation(picture)
        if picture.mode == "F":
            raise ValueError("its pixels are floats")
        return np.asarray(picture.convert("RGB")), _orientation(picture)


def _of_jpeg(data: bytes, colours: str) -> Image | None:
    """Return the pixels of a JPEG in ``RGB`` or ``CMYK``; None if Pillow has to decode it.

    Both use libjpeg-turbo and give the same pixels. Pillow does not hear its warnings, and fills rows that are missing
    before the end with gray. Of other damage, which Pillow does not hear of either, its pixels are what everybody has.

    Raises:
        ValueError: rows are missing.
    """
    try:
        pixels: Image = simplejpeg.decode_jpeg(data, colours, strict=True)
        return pixels
    except ValueError as error:
        if any(words in str(error).lower() for words in _LACKING):
            raise ValueError("the JPEG ends before its last rows") from None
        return None


_LACKING = ("premature end", "found marker 0xd9")
"""What libjpeg says of an image that ends too early; the second where it has restart markers."""


def _scan_offset(data: bytes) -> int:
    """Return the offset of a JPEG's first scan. The segments before it, such as thumbnails, state their length."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF and data[offset + 1] != 0xDA:
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return offset
