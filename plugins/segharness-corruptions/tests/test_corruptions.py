"""The laws of all corruptions, the parameters, the sets, and the arithmetic that they share."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segharness.testing import check_corruption
from segharness_corruptions import blur, digital, noise, pixels, weather
from segharness_corruptions.catalogue import ALL, BY_NAME, COMMON, PAPER15, STAGES
from segharness_corruptions.plugin import segharness_corruptions

FUNCTIONS = {name: getattr({"blur": blur, "noise": noise, "digital": digital, "weather": weather}[e.category], name)
             for name, e in BY_NAME.items()}  # fmt: skip


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
    check_corruption(FUNCTIONS[name])


@pytest.mark.parametrize("name", ALL)
def test_severity_increases_distortion(name):
    image = photograph()
    losses = [
        np.mean([np.abs(FUNCTIONS[name](image, s, rng(k)).astype(int) - image).mean() for k in range(6)])
        for s in range(1, 6)
    ]
    assert losses[0] > 0
    if name == "saturate":  # severities 1 and 2 take colour away, 3 to 5 add it
        assert losses[1] > losses[0] and losses[4] > losses[3] > losses[2]
        return
    if name not in ("frost", "glass_blur", "spatter", "snow"):  # their severities change more than strength
        assert all(b > a * 0.98 for a, b in itertools.pairwise(losses)), losses
    assert losses[4] > losses[0]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ALL), st.integers(32, 70), st.integers(32, 70), st.integers(1, 5), st.integers(0, 2**32))
def test_any_size_gives_an_image_of_that_size(name, height, width, severity, key):
    image = rng(key).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = FUNCTIONS[name](image, severity, rng(key))
    assert found.shape == image.shape and found.dtype == np.uint8


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_images_are_no_special_case(name, level):
    image = np.full((40, 40, 3), level, np.uint8)
    assert FUNCTIONS[name](image, 3, rng()).shape == image.shape


DETERMINISTIC = ("gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "saturate", "contrast",
                 "jpeg_compression", "pixelate")  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_another_key_gives_other_pixels_where_something_is_drawn(name):
    image = photograph()
    same = np.array_equal(FUNCTIONS[name](image, 3, rng(1)), FUNCTIONS[name](image, 3, rng(2)))
    assert same == (name in DETERMINISTIC)


def test_no_corruption_touches_the_global_generator():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    for name in ALL:
        FUNCTIONS[name](photograph(), 3, rng())
    assert np.array_equal(before, np.random.get_state()[1])


# ------------------------------------------------------------------------------------------------- by their definition


@pytest.mark.parametrize(("severity", "sigma"), list(enumerate((0.08, 0.12, 0.18, 0.26, 0.38), 1)))
def test_gaussian_noise_has_its_sigma(severity, sigma):
    image = np.full((200, 200, 3), 128, np.uint8)
    found = noise.gaussian_noise(image, severity, rng()).astype(float)
    inner = found[(found > 0) & (found < 255)]
    clipped = np.clip(128 + 255 * sigma * rng(9).standard_normal(200_000), 0, 255).astype(int)
    assert np.std(inner) == pytest.approx(np.std(clipped[(clipped > 0) & (clipped < 255)]), rel=0.03)


@pytest.mark.parametrize(("severity", "photons"), list(enumerate((60, 25, 12, 5, 3), 1)))
@pytest.mark.parametrize("level", [20, 90, 160])
def test_shot_noise_has_poissons_mean_and_variance(severity, photons, level):
    counts = rng(3).poisson(level / 255 * photons, 200_000)
    expected = np.clip(counts / photons, 0, 1) * 255
    found = noise.shot_noise(np.full((150, 150, 3), level, np.uint8), severity, rng()).astype(float)
    assert found.mean() == pytest.approx(expected.mean(), abs=1.5)
    assert found.var() == pytest.approx(expected.var(), rel=0.06)


@pytest.mark.parametrize(("severity", "amount"), list(enumerate((0.03, 0.06, 0.09, 0.17, 0.27), 1)))
def test_impulse_noise_is_half_salt_half_pepper(severity, amount):
    found = noise.impulse_noise(np.full((300, 300, 3), 128, np.uint8), severity, rng())
    assert (found == 255).mean() == pytest.approx(amount / 2, rel=0.06)
    assert (found == 0).mean() == pytest.approx(amount / 2, rel=0.06)
    assert set(np.unique(found)) == {0, 128, 255}


def test_speckle_noise_grows_with_the_image():
    dark, bright = (noise.speckle_noise(np.full((100, 100, 3), v, np.uint8), 1, rng()).std() for v in (40, 120))
    assert bright / dark == pytest.approx(3, rel=0.05)


def test_contrast_keeps_the_means():
    image = photograph()
    found = digital.contrast(image, 3, rng())
    assert found.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)), abs=1)
    assert found.std(axis=(0, 1)) == pytest.approx(0.2 * image.std(axis=(0, 1)), rel=0.05)


def test_brightness_and_saturation_move_v_and_s_alone():
    import colorsys

    image = photograph(32, 32)
    for function, expected in (
        (lambda i: digital.brightness(i, 2, rng()), lambda h, s, v: (h, s, min(1, v + 0.2))),
        (lambda i: digital.saturate(i, 3, rng()), lambda h, s, v: (h, min(1, 2 * s), v)),
        (lambda i: digital.saturate(i, 5, rng()), lambda h, s, v: (h, min(1, 20 * s + 0.2), v)),
    ):
        found = function(image)
        for y, x in [(0, 0), (5, 20), (12, 9), (31, 31)]:
            wanted = colorsys.hsv_to_rgb(*expected(*colorsys.rgb_to_hsv(*(image[y, x] / 255))))
            assert found[y, x] == pytest.approx(np.array(wanted) * 255, abs=1)


def test_gray_becomes_red_when_saturation_is_added():
    found = digital.saturate(np.full((32, 32, 3), 100, np.uint8), 5, rng())
    assert found[0, 0].tolist() == [100, 80, 80]


def test_glass_blur_follows_chains_as_the_loop_does():
    image = rng(4).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    delta = 2
    offsets = rng(5).integers(-delta, delta, size=(20 - 2 * delta, 24 - 2 * delta, 2))
    expected = image.copy()
    for i, h in enumerate(range(20 - delta, delta, -1)):
        for j, w in enumerate(range(24 - delta, delta, -1)):
            dx, dy = offsets[i, j]
            expected[h, w] = expected[h + dy, w + dx]
    assert np.array_equal(blur._shuffled(image, delta, rng(5)), expected)


def test_motion_is_one_sided():
    image = np.zeros((41, 41), np.float32)
    image[20, 20] = 1
    found = pixels.motion(image, 10, 3, 0.0)
    assert found[20, 20] == found.max() and found.sum() == pytest.approx(1, abs=1e-5)
    assert np.count_nonzero(found[20, :20]) * np.count_nonzero(found[20, 21:]) == 0


def test_disk_kernels_are_round_and_have_about_weight_one():
    """The softening reflects at the kernel's border, which a disk of radius 10 touches: the benchmark brightens a little."""
    for radius, sigma in ((3, 0.1), (10, 0.5)):
        kernel = blur.disk(radius, sigma)
        assert kernel.sum() == pytest.approx(1, abs=0.011)
        assert np.allclose(kernel, kernel.T) and np.allclose(kernel, kernel[::-1])


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.3, 2.0, 4.5])
def test_zooming_covers_the_image_and_keeps_a_ramp_a_ramp(factor):
    ramp = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (40, 1))
    found = pixels.zoom_centre(ramp, factor)
    assert found.shape[0] >= 40 and found.shape[1] >= 50
    assert np.diff(found[0]).std() < 1e-5


def test_sampling_at_whole_positions_is_the_image_and_borders_are_reflected():
    image = rng(1).random((9, 11, 3), dtype=np.float32)
    y, x = np.mgrid[:9, :11].astype(np.float32)
    assert np.allclose(pixels.sample(image, y, x), image)
    assert np.allclose(pixels.sample(image, y * 0 - 1, x), np.broadcast_to(image[0], image.shape))


def test_a_height_map_is_in_the_unit_interval_and_rough():
    cloud = weather.height_map(64, 2.0, rng())
    assert cloud.min() == 0 and cloud.max() == 1 and cloud.std() > 0.05


def test_frost_draws_from_five_pictures_two_of_which_are_the_same():
    pictures = [weather.frost_picture(i) for i in range(5)]
    assert [p.shape for p in pictures] == [(600, 900, 3), (315, 560, 3), (315, 560, 3), (350, 527, 3), (495, 660, 3)]
    assert np.array_equal(pictures[1], pictures[2])
    assert len({p.tobytes() for p in pictures}) == 4


def test_frost_covers_images_larger_than_its_pictures():
    assert weather.frost(photograph(700, 1200), 2, rng()).shape == (700, 1200, 3)


# ------------------------------------------------------------------------------------------------------------ the sets


def test_the_sets():
    assert len(ALL) == 19 and len(COMMON) == 15 and ALL[:15] == COMMON
    assert len(set(PAPER15)) == 15 and not {"glass_blur", "zoom_blur", "elastic_transform", "pixelate"} & set(PAPER15)
    assert [len(stage) for stage in STAGES] == [3, 4, 4, 4]


def test_every_corruption_says_its_parameters():
    for spec in segharness_corruptions():
        if hasattr(spec, "apply"):
            assert sorted(spec.parameters) == [1, 2, 3, 4, 5] and spec.description and spec.category
