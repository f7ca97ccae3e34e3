"""Per-pixel noise. Each value's new level is drawn from P(new | old), in integers."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.draws import WORDS, normal_quantiles, words
from segharness_corruptions.pixels import Image, bands, corruption

_ONE = 1 << 16
"""1.0 in fixed point."""


@corruption
def gaussian_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """x + sigma N(0, 1)."""
    steps, noisy = _gaussian_steps(severity), np.empty_like(image)
    for rows in bands(image):
        values = steps.take(words(rng, image[rows].shape))
        values += image[rows]
        noisy[rows] = np.clip(values, 0, 255, out=values)
    return noisy


@functools.cache
def _gaussian_steps(severity: int) -> npt.NDArray[np.int16]:
    """Return the levels that each word adds. Image levels are whole, so truncating the noise truncates the sum."""
    sigma = 255 * float(parameters("gaussian_noise", severity))  # type: ignore[arg-type]
    return np.floor(normal_quantiles() * sigma).astype(np.int16)


@corruption
def speckle_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """x + x sigma N(0, 1)."""
    factors, noisy = _speckle_factors(severity), np.empty_like(image)
    for rows in bands(image):
        values = factors.take(words(rng, image[rows].shape))
        values *= image[rows]
        values >>= 16
        noisy[rows] = np.clip(values, 0, 255, out=values)
    return noisy


@functools.cache
def _speckle_factors(severity: int) -> npt.NDArray[np.int32]:
    """Return the fixed-point factor of each word, by which a level is multiplied."""
    sigma = float(parameters("speckle_noise", severity))  # type: ignore[arg-type]
    return np.round((1 + sigma * normal_quantiles().astype(np.float64)) * _ONE).astype(np.int32)


@corruption
def shot_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Poisson(c x) / c."""
    levels, noisy = _shot_levels(severity), np.empty_like(image)
    for rows in bands(image):
        index = image[rows].astype(np.intp)
        index <<= 16
        index |= words(rng, index.shape)
        levels.take(index, out=noisy[rows], mode="clip")
    return noisy


@functools.cache
def _shot_levels(severity: int) -> Image:
    """Return the new level for every old level and word, uint8 (256 * 65536,): each Poisson distribution inverted."""
    photons = float(parameters("shot_noise", severity))  # type: ignore[arg-type]
    counts = np.arange(1 + int(photons + 12 * math.sqrt(photons) + 12))
    seen = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8)
    means = np.arange(256) * (photons / 255)
    probability = np.array([math.exp(-mean) for mean in means])
    below = np.zeros(256)
    ends = np.empty((256, len(counts)), np.int64)
    for count in counts:
        below += probability
        ends[:, count] = np.floor(below * WORDS + 0.5)
        probability = probability * means / (count + 1)
    ends[:, -1] = WORDS
    return np.concatenate([np.repeat(seen, np.diff(row, prepend=0)) for row in ends])


@corruption
def impulse_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Set each value to 0 or 255, each with half of the severity's probability."""
    amount = float(parameters("impulse_noise", severity))  # type: ignore[arg-type]
    salt = round(amount / 2 * WORDS)
    noisy = np.empty_like(image)
    for rows in bands(image):
        draw = words(rng, image[rows].shape)
        values = np.bitwise_or(image[rows], _mask(draw < salt), out=noisy[rows])
        values &= _mask(draw < WORDS - salt)
    return noisy


def _mask(chosen: npt.NDArray[np.bool_]) -> Image:
    """Return 255 for chosen values, 0 for the rest."""
    return np.negative(chosen.view(np.uint8))
