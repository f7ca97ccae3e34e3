"""Random fields, with 16 random bits a value, so that every machine draws the same.

A distribution is a table over the 65536 values of a 16-bit word. Probabilities are therefore rounded to 1/65536.
"""

from __future__ import annotations

import functools
import statistics

import numpy as np
import numpy.typing as npt

from segharness_corruptions.pixels import Floats

WORDS = 1 << 16
"""The number of values that a word can take."""


def words(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """Return uniform 16-bit words, four from each 64-bit word of the generator."""
    count = int(np.prod(shape))
    raw = rng.integers(0, 1 << 64, size=-(-count // 4), dtype=np.uint64)
    return raw.astype("<u8", copy=False).view("<u2")[:count].reshape(shape)


def uniforms(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return float32 values from U(-1, 1): the middles of 65536 equal intervals."""
    values = words(rng, shape).astype(np.float32)
    values -= np.float32((WORDS - 1) / 2)
    values *= np.float32(2 / WORDS)
    return values


def normals(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return float32 values from N(0, 1), at most 4.33 sigma from 0."""
    return normal_quantiles().take(words(rng, shape))


@functools.cache
def normal_quantiles() -> Floats:
    """Return the quantiles of N(0, 1) at the middles of 65536 intervals of probability, float32 (65536,).

    They are rounded to 1/65536, so a difference in the last bit of a machine's logarithm does not show.
    """
    inverse = statistics.NormalDist().inv_cdf
    lower = np.array([inverse((word + 0.5) / WORDS) for word in range(WORDS // 2)])
    quantiles = np.round(np.concatenate([lower, -lower[::-1]]) * WORDS) / WORDS
    return quantiles.astype(np.float32)
