"""Per-pixel noise."""

from __future__ import annotations

import numpy as np

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.pixels import Image, to_image, unit


def gaussian_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """x + sigma N(0, 1)."""
    sigma = np.float32(parameters("gaussian_noise", severity))
    return to_image(unit(image) + sigma * rng.standard_normal(image.shape, dtype=np.float32))


def shot_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Poisson(c x) / c."""
    photons = float(parameters("shot_noise", severity))  # type: ignore[arg-type]
    return to_image(rng.poisson(image * (photons / 255)) / photons)


def impulse_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Each value becomes 0 or 255, half and half, with the given probability."""
    amount = float(parameters("impulse_noise", severity))  # type: ignore[arg-type]
    draw = rng.random(image.shape, dtype=np.float32)
    salted = np.where(draw < amount / 2, np.uint8(255), image)
    return np.where((draw >= amount / 2) & (draw < amount), np.uint8(0), salted)


def speckle_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """x + x sigma N(0, 1)."""
    sigma = np.float32(parameters("speckle_noise", severity))
    values = unit(image)
    return to_image(values + values * (sigma * rng.standard_normal(image.shape, dtype=np.float32)))
