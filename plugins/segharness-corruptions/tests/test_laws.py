"""What holds for every corruption, whatever the image."""

from __future__ import annotations

import itertools
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segharness import generator
from segharness.testing import check_corruption
from segharness_corruptions import corrupt, corruption_names
from segharness_corruptions.catalogue import ALL, BY_NAME, STAGES

DETERMINISTIC = ("gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "saturate", "contrast",
                 "jpeg_compression", "pixelate")  # fmt: skip
DRAWING = tuple(name for name in ALL if name not in DETERMINISTIC)


def function(name):
    return getattr(import_module(f"segharness_corruptions.{BY_NAME[name].module}"), name)


def rng(key=0):
    return np.random.Generator(np.random.Philox(key=key))


def photograph(height=64, width=80):
    """Return something smooth with edges and colour."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([128 + 100 * np.sin(7 * x), 255 * y, 128 + 90 * np.cos(5 * (x + y))], axis=2)
    image[height // 3 : height // 2, width // 4 : width // 2] = (200, 30, 60)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ALL)
def test_contract(name):
    check_corruption(function(name), smallest=32)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ALL), st.integers(32, 90), st.integers(32, 90), st.integers(1, 5), st.integers(0, 2**32),
    st.sampled_from(["noise", "photograph", "black", "white", "gray", "stripes"]),
)  # fmt: skip
def test_shape_dtype_repeatability_and_an_untouched_input(name, height, width, severity, seed, kind):
    image = {
        "noise": lambda: rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8),
        "photograph": lambda: photograph(height, width),
        "black": lambda: np.zeros((height, width, 3), np.uint8),
        "white": lambda: np.full((height, width, 3), 255, np.uint8),
        "gray": lambda: np.repeat(rng(seed).integers(0, 256, (height, width, 1), dtype=np.uint8), 3, axis=2),
        "stripes": lambda: np.tile(np.array([[[0, 0, 255], [255, 255, 0]]], np.uint8), (height, width, 1))[:, :width],
    }[kind]()
    before = image.copy()
    image.setflags(write=False)
    first, again = (corrupt(image, name, severity, seed=seed) for _ in range(2))
    assert first.shape == image.shape and first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(image, before)
    assert not np.may_share_memory(first, image)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL), st.integers(33, 70), st.integers(33, 70), st.integers(1, 5))
def test_views_of_any_layout_give_the_pixels_of_their_copies(name, height, width, severity):
    image = rng(1).integers(0, 256, (2 * height, 3 * width, 3), dtype=np.uint8)
    for view in (image[::2, ::3], image[:height, :width][::-1], image[:width, :height].transpose(1, 0, 2)):
        assert np.array_equal(corrupt(view, name, severity), corrupt(view.copy(), name, severity))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DRAWING), st.integers(0, 2**40), st.integers(1, 2**40))
def test_another_image_gets_other_noise(name, image_id, step):
    image = photograph(96, 120)
    keys = (image_id, image_id + step)
    assert any(
        not np.array_equal(corrupt(image, name, s, image_id=keys[0]), corrupt(image, name, s, image_id=keys[1]))
        for s in (3, 5)
    )


@pytest.mark.parametrize("key", ["seed", "image_id", "dataset"])
@pytest.mark.parametrize("name", DRAWING)
def test_every_part_of_the_key_counts(name, key):
    image = photograph(96, 120)
    values = ("a", "b") if key == "dataset" else (1, 2)
    first, second = (corrupt(image, name, 3, **{key: value}) for value in values)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_what_draws_nothing_has_no_seed(name):
    image = photograph()
    assert np.array_equal(corrupt(image, name, 3, seed=1), corrupt(image, name, 3, seed=2))


@pytest.mark.parametrize("name", ALL)
def test_severity_increases_distortion_on_average(name):
    image = photograph(96, 120)
    losses = [
        np.mean([np.abs(corrupt(image, name, s, seed=k).astype(int) - image).mean() for k in range(8)])
        for s in range(1, 6)
    ]
    assert losses[0] > 0
    if name == "saturate":  # severities 1 and 2 take colour away, 3 to 5 add it
        assert losses[1] > losses[0] and losses[4] > losses[3] > losses[2]
        return
    if name not in ("frost", "glass_blur", "spatter", "snow"):  # their severities change more than strength
        assert all(b > a * 0.98 for a, b in itertools.pairwise(losses)), losses
    assert losses[4] > losses[0]


def test_no_corruption_touches_the_global_generator():
    before = np.random.get_state()[1].copy()
    for name in ALL:
        corrupt(photograph(), name, 3)
    assert np.array_equal(before, np.random.get_state()[1])


# ------------------------------------------------------------------------------------------------------- corrupt(...)


def test_the_names_are_the_packages_in_its_order():
    assert corruption_names()[:3] == ["gaussian_noise", "shot_noise", "impulse_noise"]
    assert corruption_names()[15:] == ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
    assert len(corruption_names()) == 19


def test_a_generator_instead_of_a_key():
    image = photograph()
    first, again = (corrupt(image, "gaussian_noise", 3, rng=np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, again)
    legacy = np.random.Generator(np.random.MT19937(4))  # whose raw words have 32 bits
    assert len(np.unique(corrupt(image, "gaussian_noise", 3, rng=legacy))) > 200


def test_mixed_is_one_of_each_category_in_order_from_one_generator():
    image = photograph()
    for seed in range(5):
        one = generator(seed, "", 0, "mixed", 1)
        expected = image
        for stage in STAGES:
            expected = function(stage[int(one.integers(len(stage)))])(expected, 1, one)
        assert np.array_equal(corrupt(image, "mixed", seed=seed), expected)


GOOD = photograph(40, 40)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((GOOD / 255, "fog", 3), TypeError, "float64, not uint8; multiply"),
        ((GOOD.astype(np.int32), "fog", 3), TypeError, "int32, not uint8"),
        ((GOOD.tolist(), "fog", 3), TypeError, "a list, not a numpy array"),
        ((np.dstack([GOOD, GOOD[..., :1]]), "fog", 3), ValueError, r"\(40, 40, 4\), not RGB .*alpha"),
        ((GOOD[..., 0], "fog", 3), ValueError, r"\(40, 40\), not RGB .*grayscale"),
        ((GOOD[..., :1], "fog", 3), ValueError, r"\(40, 40, 1\), not RGB"),
        ((GOOD[:31], "fog", 3), ValueError, "40x31 pixels; at least 32x32"),
        ((GOOD[:0], "fog", 3), ValueError, "40x0 pixels"),
        ((GOOD, "fog", 0), ValueError, "severity 0 is not a whole number from 1 to 5"),
        ((GOOD, "fog", 6), ValueError, "severity 6"),
        ((GOOD, "fog", 2.0), ValueError, "severity 2.0"),
        ((GOOD, "fog", True), ValueError, "severity True"),
        ((GOOD, "smog", 3), ValueError, "no corruption 'smog'; there are gaussian_noise"),
        ((GOOD, "imagecorruptions/smog", 3), ValueError, "no corruption 'imagecorruptions/smog'"),
    ],
)
def test_mistakes_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        corrupt(*arguments)


@pytest.mark.parametrize("name", ALL)
def test_corruptions_themselves_refuse_what_they_cannot_take(name):
    for image, severity in ((GOOD / 255, 3), (GOOD[..., 0], 3), (GOOD[:20], 3), (GOOD, 6)):
        with pytest.raises((TypeError, ValueError)):
            function(name)(image, severity, rng())
    with pytest.raises(TypeError, match="not a numpy Generator"):
        function(name)(GOOD, 3, np.random.RandomState(0))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"seed": 1.5}, "seed is 1.5, not a whole number"),
        ({"seed": None}, "seed is None"),
        ({"seed": True}, "seed is True"),
        ({"image_id": "7"}, "image_id is '7'"),
        ({"dataset": b"coco"}, "dataset is b'coco', not a text"),
        ({"name": None}, "name is None, not a text"),
    ],
)
def test_keys_of_another_type_are_named(key, message):
    with pytest.raises(TypeError, match=message):
        corrupt(GOOD, **({"name": "fog"} | key))
    assert np.array_equal(corrupt(GOOD, "fog", seed=np.int64(3)), corrupt(GOOD, "fog", seed=3))


def test_a_seed_in_place_of_a_generator_is_named():
    with pytest.raises(TypeError, match="rng is a int"):
        corrupt(GOOD, "fog", 3, rng=5)


def test_without_the_package_its_family_says_what_to_install(monkeypatch):
    from importlib import metadata

    from segharness_corruptions import imagecorruptions_family
    from segharness_corruptions.plugin import segharness_corruptions

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(metadata, "distribution", missing)
    monkeypatch.setattr(imagecorruptions_family, "PACKAGE", imagecorruptions_family.Package())
    with pytest.raises(ImportError, match=r"pip install 'segharness-corruptions\[reference\]'"):
        corrupt(GOOD, "imagecorruptions/fog", 3)
    specs = {spec.name: spec for spec in segharness_corruptions()}
    assert "pip install" in specs["imagecorruptions/fog"].unavailable
    assert specs["fog"].unavailable == ""
