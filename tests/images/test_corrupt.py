"""Conditions are applied with reproducible randomness, and corruptions that misbehave are named."""

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


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_the_generator_depends_on_each_of_its_arguments_and_nothing_else():
    base = (0, "coco", 5, "fog", 3)
    draws = {base: generator(*base).random()}
    for position, value in enumerate((1, "coco2", 6, "frost", 4)):
        changed = (*base[:position], value, *base[position + 1 :])
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
    clean = corruptor(CLEAN)(pixels, CLEAN, Sample(1, b"", 40, 50), "d")
    assert np.array_equal(clean.pixels, PIXELS) and clean.drawn is None
    clean.pixels[:] = 0
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
    fog = corruptor(FOG)
    for function in (lambda image, severity, rng: image, lambda image, severity, rng: image[::-1]):
        fog._functions["fog"] = function
        copy = fog(pixels, FOG, Sample(1, b"", 40, 50), "d").pixels
        assert not np.may_share_memory(copy, pixels) and copy.flags.c_contiguous and copy.flags.writeable


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
    misbehaving = corruptor(bad)
    misbehaving._functions["fog"] = function
    with pytest.raises(ImageError, match=message.replace("`bad`", "`fog`")):
        misbehaving(decode(Sample(3, png(PIXELS), 40, 50)), bad, Sample(3, b"", 40, 50, "x.png"), "d")
