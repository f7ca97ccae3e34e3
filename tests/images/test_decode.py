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


# ---------------------------------------------------------------------------------- whole images, and such as are not


def photograph(height=97, width=131):
    """Something smooth with texture, so that no block of a JPEG is flat."""
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([y * 2 % 256, x % 256, (x + y) % 256], axis=2)
    return (smooth + np.random.default_rng(1).integers(0, 20, smooth.shape)).clip(0, 255).astype(np.uint8)


JPEGS = {
    f"{mode} {subsampling} {'progressive' if progressive else 'baseline'} {side}": (
        mode,
        subsampling,
        progressive,
        side,
    )
    for mode in ("RGB", "L", "CMYK", "YCbCr")
    for subsampling in ("4:4:4", "4:2:2", "4:2:0")
    for progressive in (False, True)
    for side in (97, 16, 1)
}


@pytest.mark.parametrize("kind", JPEGS)
def test_pixels_of_jpegs_are_those_of_pillow(kind):
    mode, subsampling, progressive, side = JPEGS[kind]
    buffer = io.BytesIO()
    picture = Image.fromarray(photograph(side)).convert(mode)
    picture.save(buffer, "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    expected = np.asarray(Image.open(buffer).convert("RGB"))
    assert np.array_equal(decode(Sample(1, buffer.getvalue(), side, 131)), expected)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": "4:4:4"}, {"restart_marker_rows": 1}], ids=str
)
def test_a_jpeg_whose_rows_are_missing_is_not_whole_because_it_has_an_end(share, options):
    whole = png(photograph(), format="JPEG", quality=90, **options)
    assert decode(Sample(1, whole, 97, 131)).shape == (97, 131, 3)
    with pytest.raises(ImageError, match="ends before its last rows"):
        decode(Sample(1, whole[: int(share * len(whole))].rstrip(b"\xff") + b"\xff\xd9", 97, 131))


def test_bytes_between_a_jpeg_and_its_end_cost_nothing():
    whole = png(photograph(), format="JPEG", quality=90)
    padded = whole[:-2] + b"\0\0\0" + whole[-2:]
    assert np.array_equal(decode(Sample(1, padded, 97, 131)), decode(Sample(1, whole, 97, 131)))


@pytest.mark.parametrize("text", ["profile", "compressed text", "international text"])
def test_what_a_png_says_beside_its_pixels_may_be_long(text):
    from PIL import PngImagePlugin

    long, information, options = "segharness " * 400_000, PngImagePlugin.PngInfo(), {}
    if text == "profile":
        options["icc_profile"] = long.encode()
    elif text == "compressed text":
        information.add_text("comment", long, zip=True)
    else:
        information.add_itxt("comment", long, zip=True)
    data = png(PIXELS, pnginfo=information, **options)
    with pytest.raises(ValueError):
        Image.open(io.BytesIO(data)).load()
    assert np.array_equal(decode(Sample(1, data, 40, 50)), PIXELS)
    damaged = bytearray(data)
    damaged[-40] ^= 1
    with pytest.raises(ImageError):
        decode(Sample(1, bytes(damaged), 40, 50))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_an_image_may_be_as_large_as_its_data_set_says(kind, monkeypatch):
    from segharness.images import decode as module

    data = png(photograph(), format=kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(module, "_LARGE", 100)
    assert np.array_equal(decode(Sample(1, data, 97, 131)), expected)
    with pytest.raises(ImageError, match="holds 131x97 pixels, but its data set declares 13x9: it is not decoded"):
        decode(Sample(1, data, 9, 13))


def test_an_image_of_200_million_pixels_is_read():
    data = png(np.zeros((20_000, 10_000), np.uint8), compress_level=1)
    assert decode(Sample(1, data, 20_000, 10_000)).shape == (20_000, 10_000, 3)


def test_the_jpeg_of_a_phone_with_more_than_one_picture_is_held_to_the_same():
    buffer = io.BytesIO()
    picture = Image.fromarray(photograph())
    picture.save(buffer, "MPO", save_all=True, append_images=[picture.resize((20, 20))], quality=90)
    assert Image.open(buffer).format == "MPO"
    assert decode(Sample(1, buffer.getvalue(), 97, 131)).shape == (97, 131, 3)
    with pytest.raises(ImageError):
        decode(Sample(1, buffer.getvalue()[:3000], 97, 131))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"missing: .*gone.png"):
        decode(Sample(7, tmp_path / "gone.png", 40, 50))


# -------------------------------------------------------------------------------------------------------- orientation

UPRIGHT = np.zeros((40, 50, 3), np.uint8)
UPRIGHT[5:15, 5:30] = 255
SQUARE = np.zeros((40, 40, 3), np.uint8)
SQUARE[5:15, 5:30] = 255
STORED = {
    2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1], 5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p), 7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: lambda p: np.rot90(p, -1),
}  # fmt: skip
"""How a camera stores an upright picture with each orientation (EXIF 2.3, tag 0x0112)."""


def oriented(upright, orientation, form="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 98} if form == "JPEG" else {}
    stored = np.ascontiguousarray(STORED[orientation](upright)) if orientation in STORED else upright
    return png(stored, format=form, exif=exif.tobytes(), **options)


def is_upright(pixels, upright):
    return pixels.shape == upright.shape and np.abs(pixels.astype(int) - upright).mean() < 8


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_an_orientation_is_applied_where_it_is_meant(orientation, form):
    cv2 = pytest.importorskip("cv2")
    data = oriented(UPRIGHT, orientation, form)
    if form == "JPEG":  # what others see
        assert is_upright(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), UPRIGHT)
    assert is_upright(decode(Sample(1, data, 40, 50, orientation="apply")), UPRIGHT)
    notes = []
    found = decode(Sample(1, data, 40, 50), notes.append)
    if orientation >= 5:  # only the turned picture has the declared size
        assert is_upright(found, UPRIGHT) and notes == []
        assert decode(Sample(1, data, 50, 40, orientation="stored")).shape == (50, 40, 3)
        stored = decode(Sample(1, data, 50, 40), notes.append)
        assert stored.shape == (50, 40, 3) and notes == []  # only the stored picture has it
    else:
        assert not is_upright(found, UPRIGHT) and len(notes) == 1 and "orientation: apply" in notes[0]
        decode(Sample(1, data, 40, 50, orientation="stored"), notes.append)
        assert len(notes) == 1


@pytest.mark.parametrize("orientation", STORED)
def test_a_square_may_be_meant_either_way(orientation):
    notes = []
    decode(Sample(1, oriented(SQUARE, orientation), 40, 40), notes.append)
    assert len(notes) == 1
    assert is_upright(decode(Sample(1, oriented(SQUARE, orientation), 40, 40, orientation="apply")), SQUARE)


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_other_values_turn_nothing(orientation):
    notes = []
    assert is_upright(decode(Sample(1, oriented(UPRIGHT, orientation), 40, 50), notes.append), UPRIGHT)
    assert notes == []


def test_a_wrong_size_names_the_orientation():
    with pytest.raises(ImageError, match=r"\(EXIF orientation 6\), but its data set declares height 30, width 20"):
        decode(Sample(1, oriented(UPRIGHT, 6), 30, 20))
