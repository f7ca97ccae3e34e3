"""Encoded images are decoded to the same pixels from every source, and broken ones are named."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from segharness.errors import ImageError
from segharness.images.decode import decode
from segharness.records import Sample


def png(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, options.pop("format", "PNG"), **options)
    return buffer.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_bytes_paths_and_functions_give_the_same_pixels(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(PIXELS))
    for source in (png(PIXELS), path, lambda: png(PIXELS), lambda: PIXELS):
        assert np.array_equal(decode(Sample(1, source, 40, 50)), PIXELS)


def test_grayscale_and_alpha_become_rgb():
    gray = PIXELS[..., 0]
    assert np.array_equal(decode(Sample(1, png(gray), 40, 50)), np.repeat(gray[..., None], 3, 2))
    alpha = np.dstack([PIXELS, gray])
    assert np.array_equal(decode(Sample(1, png(alpha), 40, 50)), PIXELS)


def test_16_bits_are_scaled_to_8():
    gray = np.arange(2000, dtype=np.uint16).reshape(40, 50) * 32
    pixels = decode(Sample(1, png(gray), 40, 50))
    assert np.abs(pixels[..., 0].astype(float) - gray / 257).max() <= 0.5


def test_what_follows_a_jpeg_does_no_harm():
    data = png(PIXELS, format="JPEG", quality=90) + b"\xff\xda and a film"
    assert decode(Sample(1, data, 40, 50)).shape == (40, 50, 3)


def test_exif_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = png(PIXELS, format="JPEG", exif=exif, quality=95)
    assert decode(Sample(1, data, 40, 50)).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"no image", "cannot be decoded"),
        (png(PIXELS)[:500], "cannot be decoded"),
        (png(PIXELS, format="JPEG")[:600], "cannot be decoded"),
        (png(PIXELS)[:500] + b"\0" * 900, "cannot be decoded"),
        (png(PIXELS, format="JPEG")[:1200] + b"\0" * 9000, "the JPEG has no end"),
        (png(PIXELS[:39]), "declares height 40, width 50"),
        (lambda: PIXELS.astype(float), "holds float64"),
        (lambda: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_broken_image_is_named(source, message):
    with pytest.raises(ImageError, match=message) as caught:
        decode(Sample(7, source, 40, 50, "street.png"))
    assert str(caught.value).startswith("street.png: ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"missing: .*gone.png"):
        decode(Sample(7, tmp_path / "gone.png", 40, 50))
