"""The parts by their definitions: filters, draws, colours, maps, pictures, sets."""

from __future__ import annotations

import colorsys
import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from segharness_corruptions import blur, digital, draws, filters, pixels, weather
from segharness_corruptions.catalogue import ALL, BY_NAME, COMMON, PAPER15, STAGES, parameters
from segharness_corruptions.exact_blurs import Mean, truncated_mean
from segharness_corruptions.imagecorruptions_family import PACKAGE
from segharness_corruptions.plugin import segharness_corruptions


def rng(key=0):
    return np.random.Generator(np.random.Philox(key=key))


# ------------------------------------------------------------------------------------------------------------- draws


def test_words_drawn_in_bands_are_those_drawn_at_once(monkeypatch):
    shape = (75, 41, 3)
    image = np.zeros(shape, np.uint8)
    whole = draws.words(rng(), shape)
    for size in (1, 1000, 3000):
        monkeypatch.setattr(pixels, "_BAND", size)
        one = rng()
        parts = [draws.words(one, image[rows].shape) for rows in pixels.bands(image)]
        assert len(parts) > 2
        assert np.array_equal(np.concatenate(parts), whole)


def test_bands_cover_every_row_once():
    for height in (1, 3, 4, 5, 427, 1024):
        covered = [
            r for rows in pixels.bands(np.zeros((height, 640, 3), np.uint8)) for r in range(rows.start, rows.stop)
        ]
        assert covered == list(range(height))


def test_normals_are_normal_and_the_table_is_symmetric():
    table = draws.normal_quantiles().astype(np.float64)
    assert np.array_equal(table, -table[::-1])
    assert (np.diff(table) >= 0).all()
    assert table.std() == pytest.approx(1, abs=1e-4)
    share = 0.5 * (1 + np.vectorize(math.erf)(table[::257] / math.sqrt(2)))
    assert share == pytest.approx((np.arange(65536)[::257] + 0.5) / 65536, abs=1e-5)
    drawn = draws.normals(rng(), (400, 500))
    assert abs(drawn.mean()) < 0.01 and drawn.std() == pytest.approx(1, abs=0.01)


def test_uniforms_are_within_one_and_even():
    drawn = draws.uniforms(rng(), (400, 500))
    assert -1 < drawn.min() < -0.9999 and 0.9999 < drawn.max() < 1
    assert np.histogram(drawn, 10, (-1, 1))[0] == pytest.approx(20000, rel=0.03)


# ----------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_defocus_from_sums_over_disks_is_the_convolution_with_the_kernel(severity):
    image = rng(2).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    kernel = blur.disk(*parameters("defocus_blur", severity)).astype(np.float64)
    exact = np.stack([cv2.filter2D(image[..., c].astype(np.float64), -1, kernel) for c in range(3)], axis=2)
    found = blur.defocus_blur(image, severity, rng()).astype(float)
    assert np.abs(found + 0.5 - np.clip(exact, 0, 255)).max() <= 0.51


def test_disk_kernels_are_round_and_have_about_weight_one():
    """The softening reflects at the kernel's border, which a disk of radius 10 touches: the benchmark brightens a little."""
    for radius, sigma in ((3, 0.1), (10, 0.5)):
        kernel = blur.disk(radius, sigma)
        assert kernel.sum() == pytest.approx(1, abs=0.011)
        assert np.allclose(kernel, kernel.T) and np.allclose(kernel, kernel[::-1])


def test_separable_parts_sum_to_their_kernel():
    kernel = np.outer([1, 2, 1], [1, 3, 1]) + np.outer([0, 1, 0], [2, 1, 2.0])
    parts = filters.as_separable(kernel)
    assert len(parts) == 2
    assert sum(np.outer(down, across) for across, down in parts) == pytest.approx(kernel, abs=1e-5)


def test_a_gaussian_ends_at_four_sigmas():
    assert filters.bell(3.0, 4.0).shape == (25, 1)
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 255
    assert np.flatnonzero(filters.gaussian(image, 1.0)[20, :, 0]).tolist() == list(range(16, 25))


HARD = {
    "white with one dark pixel": lambda: np.where(np.arange(60 * 70 * 3).reshape(60, 70, 3) == 6300, 253, 255),
    "flat": lambda: np.repeat(np.arange(256), 60)[:12600].reshape(60, 70, 3),
    "stripes that average to whole levels": lambda: np.tile([100, 102], 6300).reshape(60, 70, 3),
    "noise": lambda: rng(5).integers(0, 256, (60, 70, 3)),
    "black": lambda: np.zeros((60, 70, 3), int),
    "nearly white": lambda: rng(5).integers(254, 256, (60, 70, 3)),
}


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("name", ["gaussian_blur", "defocus_blur"])
def test_blurs_are_the_packages_to_the_last_bit(name, kind, severity):
    image = HARD[kind]().astype(np.uint8)
    found = getattr(blur, name)(image, severity, rng())
    theirs = PACKAGE.corrupt(name, image, severity, None)
    if name == "defocus_blur" and kind.startswith("stripes"):  # whole but for the package's own rounding in its DFT
        assert np.abs(found.astype(int) - theirs).max() <= 1
    else:
        assert np.array_equal(found, theirs)


def test_only_what_is_near_a_whole_level_is_taken_again():
    """A third of a level from whole is not; what is, gets what `again` says."""
    image = np.full((32, 32, 3), 77, np.uint8)
    missing = np.full((32, 32, 3), 255 - 77 - 1 / 3, np.float32)
    asked = []

    def again(near):
        asked.append(len(near))
        return np.where(near[:, 1, 1] == 77, 42.0, near[:, 1, 1])

    mean = Mean.make(again, 1, cv2.BORDER_REPLICATE)
    assert (truncated_mean(image, missing, mean) == 77).all()
    assert asked == [256]  # flat areas of every level
    missing[3, 4, 1] = 255 - 77
    found = truncated_mean(image, missing, mean)
    assert found[3, 4, 1] == 42 and (found == 42).sum() == 1


def test_motion_is_one_sided():
    image = np.zeros((41, 41), np.float32)
    image[20, 20] = 1
    found = filters.motion(image, 10, 3, 0.0)
    assert found[20, 20] == found.max() and found.sum() == pytest.approx(1, abs=1e-5)
    assert np.count_nonzero(found[20, :20]) * np.count_nonzero(found[20, 21:]) == 0


@pytest.mark.parametrize("angle", [-120.0, -90.0, -45.0, 0.0, 30.0, 44.9])
def test_motion_keeps_a_flat_image_flat(angle):
    found = filters.motion(np.full((40, 50, 3), 100, np.uint8), 15, 8, angle)
    assert found == pytest.approx(np.full((40, 50, 3), 100.0), abs=1e-3)


@pytest.mark.parametrize("factor", [1.01, 1.3, 2.0, 4.5])
def test_zooming_keeps_a_ramp_a_ramp(factor):
    ramp = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (40, 1))
    height, width = filters.zoomed_length(40, factor), filters.zoomed_length(50, factor)
    assert height >= 40 and width >= 50
    found = filters.zoom_centre(ramp, factor, slice(0, height), width)
    assert found.shape == (height, width)
    assert np.diff(found[0, :-1]).std() < 1e-5
    bands = [filters.zoom_centre(ramp, factor, slice(a, min(a + 7, height)), width) for a in range(0, height, 7)]
    assert np.concatenate(bands) == pytest.approx(found, abs=1e-5)


def test_where_the_last_position_lies_beyond_the_last_pixel_the_border_is_black():
    """As in scipy.ndimage.zoom, which the benchmark uses: 85 (n - 1) / (n - 1) may be more than 85 as a double."""
    black = []
    for length in range(32, 400):
        kept = math.ceil(length / 2.5)
        size = round(kept * 2.5)
        zoomed = filters.zoom_centre(np.ones((length, 4), np.float32), 2.5, slice(0, size), 4)
        assert (zoomed[-1] == 0).all() == ((kept - 1) / (size - 1) * (size - 1) > kept - 1)
        black.append(bool((zoomed[-1] == 0).all()))
    assert 0 < sum(black) < len(black) / 4


def test_sampling_at_whole_positions_is_the_image_and_borders_are_reflected():
    image = rng(1).random((9, 11, 3), dtype=np.float32)
    y, x = np.mgrid[:9, :11].astype(np.float32)
    assert np.allclose(filters.sample(image, y, x), image)
    assert np.allclose(filters.sample(image, y * 0 - 1, x), np.broadcast_to(image[0], image.shape))


@pytest.mark.parametrize(("shape", "delta"), [((20, 24), 2), ((17, 12), 1), ((33, 40), 4)])
def test_glass_blur_follows_chains_as_the_loop_does(shape, delta):
    height, width = shape
    offsets = rng(5).integers(-delta, delta, size=(height - 2 * delta, width - 2 * delta, 2), dtype=np.int8)
    expected = np.arange(height * width).reshape(shape)
    for i, h in enumerate(range(height - delta, delta, -1)):
        for j, w in enumerate(range(width - delta, delta, -1)):
            dx, dy = offsets[i, j]
            expected[h, w] = expected[h + dy, w + dx]
    assert np.array_equal(blur._sources(height, width, delta, offsets), expected.ravel())


# ----------------------------------------------------------------------------------------------------------- colours


def every_pair(order):
    """Return an image with every pair of V and min, two channels at the min, uint8 (256, 256, 3)."""
    value, least = np.mgrid[:256, :256]
    least = np.minimum(value, least)
    return np.ascontiguousarray(np.stack([value, least, least], axis=2).astype(np.uint8)[..., order])


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_every_pair_of_largest_and_smallest_channel_is_the_packages(order, severity):
    """Truncation of whole numbers hangs on the last bit of the package's doubles: V and min have it."""
    image = every_pair(list(order))
    theirs = PACKAGE.corrupt("saturate", image, severity, None)
    assert np.array_equal(digital.saturate(image, severity, rng()), theirs)
    value = order.index(0)
    theirs = PACKAGE.corrupt("brightness", image, severity, None)
    found = digital.brightness(image, severity, rng())
    assert np.array_equal(found[..., value], theirs[..., value])
    assert (found != theirs).mean() < 0.004


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_any_colour_is_the_exact_fraction_or_where_that_is_whole_one_less(severity):
    image = rng(6).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    brighter, saturated = digital.brightness(image, severity, rng()), digital.saturate(image, severity, rng())
    raised = 255 * Fraction(str(parameters("brightness", severity)))
    factor, addend = (Fraction(str(p)) for p in parameters("saturate", severity))
    for y, x in np.ndindex(24, 24):
        value, least = int(image[y, x].max()), int(image[y, x].min())
        target = min(Fraction(value - least, value) * factor + addend, Fraction(1))
        for c in range(3):
            level = int(image[y, x, c])
            for found, exact in (
                (brighter[y, x, c], level * min(value + raised, Fraction(255)) / value),
                (saturated[y, x, c], value - (value - level) * target * value / (value - least)),
            ):
                assert found == math.floor(exact) or (exact.denominator == 1 and found == exact - 1), (y, x, c)


def test_brightness_and_saturation_move_v_and_s_alone():
    image = rng(8).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for function, expected in (
        (lambda i: digital.brightness(i, 2, rng()), lambda h, s, v: (h, s, min(1, v + 0.2))),
        (lambda i: digital.saturate(i, 3, rng()), lambda h, s, v: (h, min(1, 2 * s), v)),
        (lambda i: digital.saturate(i, 5, rng()), lambda h, s, v: (h, min(1, 20 * s + 0.2), v)),
    ):
        found = function(image)
        for y, x in [(0, 0), (5, 20), (12, 9), (31, 31)]:
            wanted = colorsys.hsv_to_rgb(*expected(*colorsys.rgb_to_hsv(*(image[y, x] / 255))))
            assert found[y, x] == pytest.approx(np.array(wanted) * 255, abs=1)


def test_contrast_keeps_the_means():
    image = rng(8).integers(40, 200, (32, 50, 3), dtype=np.uint8)
    found = digital.contrast(image, 3, rng())
    assert found.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)), abs=1)
    assert found.std(axis=(0, 1)) == pytest.approx(0.2 * image.std(axis=(0, 1)), rel=0.05)


# ----------------------------------------------------------------------------------------------------------- weather


def test_a_height_map_spans_the_unit_interval_and_is_rough():
    cloud = weather.height_map(64, 64, 2.0, rng())
    assert cloud.shape == (64, 64) and cloud.min() == 0 and cloud.max() == pytest.approx(1) and cloud.std() > 0.05


def test_a_part_of_a_height_map_is_that_part_of_the_whole():
    whole = weather.height_map(128, 128, 1.7, rng())
    assert np.array_equal(weather.height_map(71, 65, 1.7, rng()), whole[:71, :65])
    assert np.array_equal(weather.height_map(33, 128, 1.7, rng()), whole[:33])


def test_a_height_map_wraps_around():
    """Its first column is as near to its last as any two neighbours are."""
    cloud = weather.height_map(256, 256, 2.0, rng(3))
    steps = np.abs(np.diff(cloud, axis=1)).mean()
    assert np.abs(cloud[:, 0] - cloud[:, -1]).mean() < 3 * steps


def test_frost_draws_from_five_pictures_two_of_which_are_the_same():
    pictures = [weather.frost_picture(i) for i in range(5)]
    assert [p.shape for p in pictures] == [(600, 900, 3), (315, 560, 3), (315, 560, 3), (350, 527, 3), (495, 660, 3)]
    assert np.array_equal(pictures[1], pictures[2])
    assert len({p.tobytes() for p in pictures}) == 4


def test_frost_covers_images_larger_than_its_pictures():
    assert weather.frost(np.zeros((700, 1200, 3), np.uint8), 2, rng()).shape == (700, 1200, 3)


# ------------------------------------------------------------------------------------------------------------ the sets


def test_the_sets():
    assert len(ALL) == 19 and len(COMMON) == 15 and ALL[:15] == COMMON
    assert len(set(PAPER15)) == 15 and not {"glass_blur", "zoom_blur", "elastic_transform", "pixelate"} & set(PAPER15)
    assert [len(stage) for stage in STAGES] == [3, 4, 4, 4]


def test_every_corruption_says_its_parameters_and_both_families_have_all():
    specs = {spec.name: spec for spec in segharness_corruptions() if hasattr(spec, "apply")}
    assert set(specs) == {family + name for name in BY_NAME for family in ("", "imagecorruptions/")}
    for spec in specs.values():
        assert sorted(spec.parameters) == [1, 2, 3, 4, 5] and spec.description and spec.category
        assert spec.version not in ("", "-")
