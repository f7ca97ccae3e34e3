"""Reads and writes single image files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from segharness.errors import ImageError
from segharness.images.decode import decode
from segharness.images.open_image import open_image
from segharness.records import Sample
from segharness.store.atomic import write_atomic

if TYPE_CHECKING:
    from segharness.records import Image


def read_image(file: Path, image_id: int = 0) -> tuple[Sample, Image]:
    """Return an image file as a sample of its own, and its pixels: uint8 RGB (H, W, 3), read-only.

    Raises:
        ImageError: the file is missing, damaged, or not an image.
    """
    try:
        with open_image(file) as picture:
            width, height = picture.size
    except FileNotFoundError as error:
        raise ImageError(f"{file}: missing") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{file}: not an image of a known format") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"{file}: cannot be read: {error}") from error
    sample = Sample(image_id, file, height, width, str(file))
    return sample, decode(sample)


def encoded(pixels: Image, kind: str = "png") -> bytes:
    """Return an image, uint8 RGB (H, W, 3), as the bytes of a lossless file, ``png`` or ``webp``.

    Raises:
        OSError, ValueError: the format cannot hold the image.
    """
    buffer = io.BytesIO()
    options = {"png": {"compress_level": 1}, "webp": {"lossless": True, "method": 1}}[kind]
    PillowImage.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write_png(file: Path, pixels: Image) -> None:
    """Write an image, uint8 RGB (H, W, 3), as PNG; make its folder if there is none.

    Raises:
        OSError: the disk is full or not writable.
    """
    write_atomic(file, encoded(pixels), durable=False)
