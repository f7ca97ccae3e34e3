"""Snow, frost, fog, spatter."""

from __future__ import annotations

import functools
from importlib.resources import files

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.pixels import Floats, Image, gaussian, motion, to_image, unit, zoom_centre

_FROST_PICTURES = ("1", "2", "2", "4", "5")
"""The benchmark draws from five files; the second and the third differ in their alpha channel alone, which is not used."""
_WATER = np.array([175, 238, 238], dtype=np.float32) / np.float32(255)
_MUD = np.array([63, 42, 20], dtype=np.float32) / np.float32(255)


def snow(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blurred flakes and the same flakes turned by half a turn, over a whitened scene."""
    mean, scale, zoom, threshold, radius, sigma, mix = parameters("snow", severity)  # type: ignore[misc]
    values = unit(image)
    height, width = values.shape[:2]
    flakes = (mean + scale * rng.standard_normal((height, width))).astype(np.float32)
    flakes = zoom_centre(flakes, zoom)
    flakes[flakes < threshold] = 0
    flakes = motion(np.clip(flakes, 0, 1), radius, sigma, rng.uniform(-135, -45))
    flakes = (np.round(flakes * 255) / 255)[:height, :width, None].astype(np.float32)
    gray = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[..., None]
    scene = np.float32(mix) * values + np.float32(1 - mix) * np.maximum(values, gray * 1.5 + 0.5)
    return to_image(scene + flakes + flakes[::-1, ::-1])


@functools.cache
def frost_picture(index: int) -> Image:
    """Return one of the pictures of frost that the benchmark draws from; see NOTICE for their origin."""
    with (files("segharness_corruptions") / "frost" / f"{_FROST_PICTURES[index]}.webp").open("rb") as file:
        return np.array(PillowImage.open(file).convert("RGB"))


def frost(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A crop of one of five pictures, enlarged so that it covers the image and a tenth more."""
    own, icy = parameters("frost", severity)  # type: ignore[misc]
    picture = frost_picture(int(rng.integers(len(_FROST_PICTURES))))
    height, width = image.shape[:2]
    scale = 1.1 * max(1.0, height / picture.shape[0], width / picture.shape[1])
    size = (int(np.ceil(picture.shape[1] * scale)), int(np.ceil(picture.shape[0] * scale)))
    ice = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    top = int(rng.integers(ice.shape[0] - height))
    left = int(rng.integers(ice.shape[1] - width))
    crop = ice[top : top + height, left : left + width].astype(np.float32)
    return np.clip(np.float32(own) * image + np.float32(icy) * crop, 0, 255).astype(np.uint8)


def fog(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A height map in [0, 1] added, and the sum scaled back to the image's own maximum."""
    strength, decay = parameters("fog", severity)  # type: ignore[misc]
    height, width = image.shape[:2]
    values = unit(image)
    top = float(values.max())
    size = 1 << max(1, max(height, width) - 1).bit_length()
    cloud = height_map(size, decay, rng)[:height, :width, None].astype(np.float32)
    return to_image((values + np.float32(strength) * cloud) * np.float32(top / (top + strength)))


def height_map(size: int, decay: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a diamond-square map (size, size) in [0, 1] on a torus; `size` is a power of two.

    Every new point is the mean of its four neighbours plus U(-w, w) w, where w is 100 at first and is divided by `decay`
    with every halving of the step.
    """
    heights = np.zeros((size, size))
    wibble = 100.0
    step = size
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        around = corners + np.roll(corners, -1, axis=0)
        centres = _wibbled(around + np.roll(around, -1, axis=1), wibble, rng)
        heights[half::step, half::step] = centres
        heights[::step, half::step] = _wibbled(
            centres + np.roll(centres, 1, axis=0) + corners + np.roll(corners, -1, axis=1), wibble, rng
        )
        heights[half::step, ::step] = _wibbled(
            centres + np.roll(centres, 1, axis=1) + corners + np.roll(corners, -1, axis=0), wibble, rng
        )
        step = half
        wibble /= decay
    heights -= heights.min()
    return heights / heights.max()


def _wibbled(total: npt.NDArray[np.float64], wibble: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return total / 4 + wibble * rng.uniform(-wibble, wibble, total.shape)


def spatter(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blobs of smoothed noise: drops of water that shine at their edges, or mud that covers."""
    mean, scale, sigma, threshold, intensity, mud = parameters("spatter", severity)  # type: ignore[misc]
    values = unit(image)
    liquid = gaussian((mean + scale * rng.standard_normal(values.shape[:2])).astype(np.float32), sigma)
    if mud:
        cover = gaussian((liquid > threshold).astype(np.float32), intensity)
        cover[cover < 0.8] = 0
        return to_image(values * (1 - cover[..., None]) + _MUD * cover[..., None])
    liquid[liquid < threshold] = 0
    return to_image(values + (_drops(liquid) * np.float32(intensity))[..., None] * _WATER)


def _drops(liquid: Floats) -> Floats:
    """Return how strongly water colours each pixel, in [0, 1]: more towards the lower right edge of a drop."""
    levels = np.clip(liquid * 255, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(levels, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8)
    slope = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    shine = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, slope), (3, 3)).astype(np.float32)
    # the reference package multiplies the liquid as uint8 levels, so do we
    coloured = levels.astype(np.float32) * shine
    most = float(coloured.max())
    return coloured / np.float32(most) if most > 0 else coloured
