"""Blurs."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.pixels import Floats, Image, gaussian, motion, to_image, unit, zoom_centre


def gaussian_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Gaussian, borders replicated, kernel to four sigmas."""
    return to_image(gaussian(unit(image), float(parameters("gaussian_blur", severity))))  # type: ignore[arg-type]


def defocus_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A disk, its edge softened by a small Gaussian."""
    radius, sigma = parameters("defocus_blur", severity)  # type: ignore[misc]
    return to_image(cv2.filter2D(unit(image), -1, disk(radius, sigma)))


def disk(radius: int, sigma: float) -> Floats:
    """Return the kernel of defocus: 17x17 up to radius 8, else (2r + 1)x(2r + 1); sums to 1 before softening."""
    reach, size = (8, 3) if radius <= 8 else (radius, 5)
    across = np.arange(-reach, reach + 1)
    inside = (across[:, None] ** 2 + across[None, :] ** 2 <= radius**2).astype(np.float32)
    return cv2.GaussianBlur(inside / inside.sum(), (size, size), sigma)


def motion_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Along a direction drawn from U(-45, 45) degrees."""
    radius, sigma = parameters("motion_blur", severity)  # type: ignore[misc]
    return to_image(motion(unit(image), radius, sigma, rng.uniform(-45, 45)))


def zoom_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The mean of the image and of its copies zoomed into the centre."""
    end, step = parameters("zoom_blur", severity)  # type: ignore[misc]
    factors = np.arange(1, end, step)
    values = unit(image)
    height, width = values.shape[:2]
    total = values.copy()
    for factor in factors:
        total += zoom_centre(values, float(factor))[:height, :width]
    return to_image(total / np.float32(len(factors) + 1))


def glass_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blur, replace pixels by near ones in raster order from the lower right, blur again."""
    sigma, delta, iterations = parameters("glass_blur", severity)  # type: ignore[misc]
    pixels = to_image(gaussian(unit(image), sigma))
    for _ in range(iterations):
        pixels = _shuffled(pixels, delta, rng)
    return to_image(gaussian(unit(pixels), sigma))


def _shuffled(pixels: Image, delta: int, rng: np.random.Generator) -> Image:
    """Let every inner pixel, from the lower right to the upper left, take the value of one up to `delta` away.

    A pixel that was visited before passes on what it took, so the sources form chains; they are followed to their ends by
    doubling. Offsets are drawn from -delta to delta - 1.
    """
    height, width = pixels.shape[:2]
    rows, columns = np.arange(height - delta, delta, -1), np.arange(width - delta, delta, -1)
    source = np.arange(height * width, dtype=np.int64)
    offset = rng.integers(-delta, delta, size=(len(rows), len(columns), 2))
    own = rows[:, None] * width + columns[None, :]
    taken = (rows[:, None] + offset[..., 1]) * width + columns[None, :] + offset[..., 0]
    inner = np.zeros(height * width, dtype=bool)
    inner[own.ravel()] = True
    source[own] = taken
    follows: npt.NDArray[np.bool_] = inner & inner[source] & (source > np.arange(height * width))
    while follows.any():
        at = np.flatnonzero(follows)
        ahead = source[at]
        source[at], follows[at] = source[ahead], follows[ahead]
    return pixels.reshape(height * width, -1)[source].reshape(pixels.shape)
