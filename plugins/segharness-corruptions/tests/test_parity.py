"""Equal to the imagecorruptions package, at all severities, on photographs and sizes that are hard."""

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from segharness_corruptions import noise
from segharness_corruptions.catalogue import ALL, parameters
from segharness_corruptions.draws import WORDS
from segharness_corruptions.imagecorruptions_family import PACKAGE, Package
from segharness_corruptions.parity import NOISES, agreement, difference, noise_agreement, pictures

SHARED = Path(__file__).resolve().parents[4] / "shared"
PHOTOGRAPHS = ("000000025603.jpg", "000000125952.jpg")  # landscape and portrait
COMPARED = tuple(name for name in ALL if name not in NOISES)
THRESHOLDED = ("snow", "spatter")
"""A random field is zero below a threshold, which a value may pass by a rounding: a flake is there or is not."""
SAME = ("gaussian_blur", "glass_blur", "defocus_blur", "contrast", "jpeg_compression", "pixelate")
"""To the last bit."""
WITHOUT_DRAWS = ("gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "saturate", "contrast", "jpeg_compression",
                 "pixelate")  # fmt: skip


def scene(height, width):
    """Return smooth slopes, edges, noise, gray, black and white."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([128 + 120 * np.sin(9 * x), 255 * y, 128 + 110 * np.cos(7 * (x + y))], axis=2)
    image += np.random.Generator(np.random.Philox(key=3)).normal(0, 6, image.shape)
    image[height // 3 : height // 2, width // 4 : width // 2] = (200, 30, 60)
    image[height // 2 :, : width // 5] = image[height // 2 :, : width // 5, :1]
    image[: height // 6, width // 2 :], image[-height // 8 :, width // 2 :] = 255, 0
    return np.clip(image, 0, 255).astype(np.uint8)


def assert_agree(name, images, severities=(1, 2, 3, 4, 5)):
    found = agreement(difference(name, image, s, key=s) for image in images for s in severities)
    assert found.over <= 0.001, found
    assert found.most <= 1 or name in THRESHOLDED, found
    assert found.equal >= (1 if name in SAME else 0.95), found
    assert abs(found.shift) <= 0.05, found


@pytest.mark.parametrize("name", COMPARED)
def test_made_images_at_sizes_that_are_hard(name):
    assert_agree(name, [scene(33, 47), scene(47, 33), scene(32, 32), scene(101, 160)])


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in COMPARED if n != "glass_blur"])
def test_photographs(name):
    assert_agree(name, [i for n, i in photographs().items() if "large" not in n])


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in COMPARED if n not in ("glass_blur", "zoom_blur")])
def test_large_images(name):
    assert_agree(name, [i for n, i in photographs().items() if "large" in n], severities=(1, 5))


@pytest.mark.slow
def test_glass_blur_on_photographs():
    """The package takes 25 microseconds a pixel: a part of each."""
    assert_agree("glass_blur", [i[:160, :200] for n, i in photographs().items()])


def photographs():
    folder = SHARED / "data/coco-tiny/val2017"
    if not folder.is_dir():
        pytest.skip("needs the photographs in ../shared")
    return pictures([folder / name for name in PHOTOGRAPHS])


# ------------------------------------------------------------------------------------------------- per-pixel noise


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", NOISES)
def test_noise_is_distributed_as_the_packages_for_every_level(name, severity):
    found = noise_agreement(name, severity, samples=2400)
    assert found.mean == pytest.approx(1, abs=0.5)  # 256 levels: a chi-squared of 256 degrees over 256
    assert found.variance == pytest.approx(1, abs=0.5)
    assert found.quantile < 0.07
    assert found.least_p > 0.001


def cdf(samples):
    """Return the share of a level's words that give at most each level: (256 words' levels,) -> (256,)."""
    return np.cumsum(np.bincount(samples, minlength=256)) / WORDS


def every_word(monkeypatch, function, severity, level):
    """Return what each of the 65536 words makes of a level."""
    stream = iter(np.resize(np.arange(WORDS, dtype=np.uint16), 150 * 150 * 3))
    monkeypatch.setattr(
        noise, "words", lambda rng, shape: np.fromiter(stream, np.uint16, int(np.prod(shape))).reshape(shape)
    )
    image = np.full((150, 150, 3), level, np.uint8)
    return function(image, severity, np.random.default_rng(0)).ravel()[:WORDS]


def normal(z):
    return 0.5 * math.erfc(-z / math.sqrt(2))


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("level", [0, 1, 40, 128, 254, 255])
def test_the_noises_are_their_definitions_to_the_last_word(monkeypatch, severity, level):
    """P(new level <= k | level) of all 65536 words against the formula: a word apart, or two."""
    levels = np.arange(256)
    sigma = 255 * parameters("gaussian_noise", severity)
    exact = np.array([1.0 if k == 255 else normal((k + 1 - level) / sigma) for k in levels])
    assert np.abs(cdf(every_word(monkeypatch, noise.gaussian_noise, severity, level)) - exact).max() <= 1.01 / WORDS

    spread = level * parameters("speckle_noise", severity)
    if level:
        exact = np.array([1.0 if k == 255 else normal((k + 1 - level) / spread) for k in levels])
        assert np.abs(cdf(every_word(monkeypatch, noise.speckle_noise, severity, level)) - exact).max() <= 2.01 / WORDS

    photons = parameters("shot_noise", severity)
    mean, probability, total = level / 255 * photons, math.exp(-level / 255 * photons), np.zeros(256)
    for count in range(200):
        total[int(min(count / photons, 1) * 255) :] += probability
        probability *= mean / (count + 1)
    assert np.abs(cdf(every_word(monkeypatch, noise.shot_noise, severity, level)) - total).max() <= 1.01 / WORDS

    amount = parameters("impulse_noise", severity)
    exact = np.where(levels >= level, 1 - amount / 2, amount / 2)
    exact[255] = 1
    assert np.abs(cdf(every_word(monkeypatch, noise.impulse_noise, severity, level)) - exact).max() <= 1.01 / WORDS


# --------------------------------------------------------------------------------------------------------- the shim


def test_the_shim_touches_nothing_of_the_users():
    """In a process of its own, in which nothing was loaded before."""
    code = """
import sys, warnings
import numpy as np
from segharness_corruptions import corrupt, corruption_names
state, filters = np.random.get_state()[1].copy(), list(warnings.filters)
image = np.random.Generator(np.random.Philox(key=1)).integers(0, 256, (40, 50, 3), dtype=np.uint8)
for name in corruption_names():
    corrupt(image, "imagecorruptions/" + name, 1)
assert np.array_equal(np.random.get_state()[1], state)
assert not hasattr(np, "float_")
assert not {m for m in sys.modules if m.split(".")[0] in ("pkg_resources", "imagecorruptions")}
assert [f for f in warnings.filters if f not in filters and "scipy" not in str(f) and "skimage" not in str(f)] == []
import skimage.filters, inspect
assert "multichannel" not in inspect.signature(skimage.filters.gaussian).parameters
print("untouched")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "untouched\n", done.stdout + done.stderr


def test_the_family_serves_threads_at_once():
    image = scene(40, 50)
    fresh = Package()
    names = [name for name in ALL if name != "glass_blur"] * 2

    def one(name):
        return getattr(fresh, name)(image, 3, np.random.Generator(np.random.Philox(key=4)))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one, names))
    for name, pixels in zip(names, found, strict=True):
        assert np.array_equal(pixels, one(name)), name


def test_the_package_draws_what_seeding_the_global_generator_would_give():
    """gaussian_noise is one call of numpy.random.normal: done here by hand."""
    image = scene(40, 50)
    ours = PACKAGE.corrupt("gaussian_noise", image, 2, np.random.RandomState(5))
    x = image / 255.0
    by_hand = np.clip(x + np.random.RandomState(5).normal(size=x.shape, scale=0.12), 0, 1) * 255
    assert np.array_equal(ours, np.uint8(by_hand))


@pytest.mark.parametrize("name", ALL)
def test_the_family_is_seeded_by_the_key_alone(name):
    image = scene(32, 40)
    first, again, other = (
        getattr(PACKAGE, name)(image, 3, np.random.Generator(np.random.Philox(key=k))) for k in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name in WITHOUT_DRAWS)
