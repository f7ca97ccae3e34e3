"""The draws of the bootstrap: which images each resample of a data set holds, and how often.

Images are drawn with replacement, as many as there are. The draws depend on the data set's digest and its number of
images alone, so they are the same for every model, condition and run (differences, CD and rCD are paired), and independent
between data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from segharness.images.randomness import generator

LEVEL = 0.95
"""Of every interval."""

MOST_UNDEFINED = 0.01
"""The share of resamples that may leave a number undefined; with more of them it has no interval."""

EQUAL = 1e-12
"""Two numbers that differ by less are one: sums are taken in different orders."""

FEWEST = 100
"""Resamples that an interval can be taken from."""

MOST = 20_000

_NORMAL = NormalDist()

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Resamples:
    """How often each image is in each resample.

    Attributes:
        image_ids: int64 (N,), sorted.
        counts: int16 (N, B), each column sums to N.
    """

    image_ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int16]

    @property
    def size(self) -> int:
        return int(self.counts.shape[1])

    def positions(self, image_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where images, all of which are there, stand in `image_ids`."""
        return np.searchsorted(self.image_ids, image_ids)


def draw(digest: str, image_ids: Sequence[int], size: int) -> Resamples:
    """Return `size` resamples of a data set's images; more of them begin with the same ones.

    Args:
        digest: of the data set.
        image_ids: of the images that are scored.
        size: B, how many.
    """
    ids = np.array(sorted(image_ids), dtype=np.int64)
    rng = generator(0, digest, len(ids), "bootstrap", 0)
    counts = np.empty((size, len(ids)), dtype=np.int16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids))
    return Resamples(ids, np.ascontiguousarray(counts.T))


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or why there is none."""

    low: float | None = None
    high: float | None = None
    reason: str | None = None


def interval(value: float, samples: Samples) -> Interval:
    """Return the bias-corrected percentile interval of a number (Efron, "Better bootstrap confidence intervals", 1987).

    AP is larger on resamples than on what they are drawn from (images that are drawn twice agree with themselves), so
    plain percentiles lie too high; the correction moves them by where the number itself stands among its resamples.

    Args:
        value: the number, on the images as they are.
        samples: float64 (B,), the same on the resamples, NaN where it is undefined.
    """
    undefined = int(np.isnan(samples).sum())
    if undefined > MOST_UNDEFINED * len(samples):
        return Interval(reason=f"no interval: undefined on {undefined} of {len(samples)} resamples")
    found = samples[~np.isnan(samples)]
    equal = np.abs(found - value) <= EQUAL
    below = float((found < value)[~equal].sum() + 0.5 * equal.sum()) / len(found)
    if not 0 < below < 1:
        return Interval(reason=f"no interval: it is {'larger' if below else 'smaller'} than on all resamples")
    shift = 2 * _NORMAL.inv_cdf(below)
    reach = _NORMAL.inv_cdf((1 + LEVEL) / 2)
    low, high = np.quantile(found, [_NORMAL.cdf(shift - reach), _NORMAL.cdf(shift + reach)])
    return Interval(float(low), float(high))
