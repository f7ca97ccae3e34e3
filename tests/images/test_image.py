"""Files -> pixels -> corrupted pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from segharness.digests import pixel_digest
from segharness.errors import ImageError
from segharness.images.corrupt import Corruptor
from segharness.images.decode import decode
from segharness.images.randomness import generator
from segharness.plugin.host import PluginHost
from segharness.records import CLEAN, Condition, Sample


def png(pixels, **how):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, how.pop("format", "PNG"), **how)
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


def test_the_generator_depends_on_each_of_its_arguments_and_nothing_else():
    base = (0, "coco", 5, "fog", 3)
    draws = {base: generator(*base).random()}
    for position, other in enumerate((1, "coco2", 6, "frost", 4)):
        changed = (*base[:position], other, *base[position + 1 :])
        draws[changed] = generator(*changed).random()
    assert len(set(draws.values())) == 6
    assert generator(*base).random() == draws[base]


def test_the_generators_first_draw_is_what_it_was():
    """Stored results depend on it: a change here is a change of every random corruption."""
    assert generator(0, "coco/instances", 139, "fog", 3).integers(2**63) == 3043873445210146366


def corruptor(*conditions, seed=0):
    return Corruptor(PluginHost.load(), {c.name: c for c in conditions}, seed)


FOG = Condition("fog-3", "fog", 3, "weather")
MIXED = Condition("mixed-1", "mixed", 1, None, True)


def test_clean_is_the_image_and_the_models_to_write_into():
    pixels = decode(Sample(1, png(PIXELS), 40, 50))
    found = corruptor(CLEAN)(pixels, CLEAN, Sample(1, b"", 40, 50), "d")
    assert np.array_equal(found.pixels, PIXELS) and found.drawn is None
    found.pixels[:] = 0
    assert np.array_equal(pixels, PIXELS)


def test_pixels_depend_on_seed_data_set_and_image_only():
    sample = Sample(1, b"", 40, 50)
    first = corruptor(FOG)(PIXELS, FOG, sample, "d").pixels
    assert pixel_digest(first) == pixel_digest(corruptor(FOG, MIXED)(PIXELS, FOG, sample, "d").pixels)
    assert pixel_digest(first) != pixel_digest(corruptor(FOG, seed=1)(PIXELS, FOG, sample, "d").pixels)
    assert pixel_digest(first) != pixel_digest(corruptor(FOG)(PIXELS, FOG, sample, "e").pixels)
    assert pixel_digest(first) != pixel_digest(corruptor(FOG)(PIXELS, FOG, Sample(2, b"", 40, 50), "d").pixels)


def test_a_corruption_that_returns_its_input_or_a_view_gives_a_copy():
    pixels = decode(Sample(1, png(PIXELS), 40, 50))
    made = corruptor(FOG)
    for function in (lambda image, severity, rng: image, lambda image, severity, rng: image[::-1]):
        made._functions["fog"] = function
        found = made(pixels, FOG, Sample(1, b"", 40, 50), "d").pixels
        assert not np.may_share_memory(found, pixels) and found.flags.c_contiguous and found.flags.writeable


def test_a_mixture_draws_one_of_each_stage_and_says_which():
    drawn = [corruptor(MIXED)(PIXELS, MIXED, Sample(i, b"", 40, 50), "d").drawn.split(",") for i in range(12)]
    assert all(len(names) == 4 for names in drawn)
    assert {names[0] for names in drawn} <= {"motion_blur", "defocus_blur", "gaussian_blur"}
    assert len({tuple(names) for names in drawn}) > 4


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image, severity, rng: 1 / 0, "corruption `bad` raised ZeroDivisionError"),
        (lambda image, severity, rng: image[:-1], r"returned uint8 \(39, 50, 3\), not uint8 \(40, 50, 3\)"),
        (lambda image, severity, rng: image / 255, "returned float64"),
        (lambda image, severity, rng: None, "returned NoneType"),
        (
            lambda image, severity, rng: image.__setitem__(0, 0),
            "raised ValueError: assignment destination is read-only",
        ),
    ],
)
def test_a_corruption_that_misbehaves_is_named(function, message):
    bad = Condition("bad-1", "fog", 1)
    made = corruptor(bad)
    made._functions["fog"] = function
    with pytest.raises(ImageError, match=message.replace("`bad`", "`fog`")):
        made(decode(Sample(3, png(PIXELS), 40, 50)), bad, Sample(3, b"", 40, 50, "x.png"), "d")
