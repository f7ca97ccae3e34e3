"""The bootstrap: draws resamples of a data set's images, and takes confidence intervals from values on them.

A resample draws images with replacement, as many as the data set has. The draws depend only on the data set's digest
and its number of images. So they are the same for every model, condition and run, which makes differences, CD and rCD
paired, and they are independent between data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from segharness.images.randomness import generator
from segharness.store.resamples import Samples

CONFIDENCE_LEVEL = 0.95
"""The confidence level of every interval."""

MOST_UNDEFINED = 0.01
"""A value that is undefined on more than this share of the resamples has no interval."""

EQUAL = 1e-12
"""Values that differ by no more count as equal, because sums are taken in different orders."""

MIN_RESAMPLES = 100
"""With fewer resamples, an interval says little."""

MAX_RESAMPLES = 20_000
"""More resamples need too much memory."""

_NORMAL = NormalDist()


def resamples_problem(count: int) -> str | None:
    """Return what is wrong with a number of resamples, or None."""
    if count < MIN_RESAMPLES:
        return f"{count} resamples are too few for an interval; give at least {MIN_RESAMPLES}"
    if count > MAX_RESAMPLES:
        return f"{count} resamples need too much memory; give at most {MAX_RESAMPLES}"
    return None


@dataclass(frozen=True)
class Resamples:
    """How often each image is in each resample.

    Attributes:
        image_ids: int64 (N,), sorted.
        counts: int16 (N, B), how often each of B resamples holds each image; every column sums to N.

    Example:
        >>> resamples = draw("digest", [3, 1, 2], size=100)
        >>> resamples.positions(np.array([2])).tolist(), resamples.counts.shape
        ([1], (3, 100))
    """

    image_ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int16]

    @property
    def size(self) -> int:
        """The number of resamples, B."""
        return int(self.counts.shape[1])

    def positions(self, image_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the positions of images in `image_ids`, int64; all of them must be in it."""
        return np.searchsorted(self.image_ids, image_ids)


def draw(digest: str, image_ids: Sequence[int], size: int) -> Resamples:
    """Return `size` resamples of a data set's images; a larger `size` appends to the same resamples.

    Args:
        digest: the data set's digest.
        image_ids: the ids of the images that are scored, in any order.
        size: B, the number of resamples.

    Example:
        >>> draw("a digest", [7, 3, 5], 100).counts.shape
        (3, 100)
    """
    ids = np.array(sorted(image_ids), dtype=np.int64)
    rng = generator(0, digest, len(ids), "bootstrap", 0)
    counts = np.empty((size, len(ids)), dtype=np.int16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids))
    by_image = np.ascontiguousarray(counts.T)
    by_image.setflags(write=False)  # all evaluations share them
    return Resamples(ids, by_image)


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or why there is none."""

    low: float | None = None
    high: float | None = None
    reason: str | None = None


def interval(value: float, samples: Samples) -> Interval:
    """Return the bias-corrected percentile interval of a number (Efron, "Better bootstrap confidence intervals", 1987).

    AP is larger on resamples than on the images that they are drawn from, because an image that is drawn twice agrees
    with itself. So plain percentiles are too high. The correction shifts them by the rank of `value` among `samples`.

    Args:
        value: the value on the images themselves.
        samples: float64 (B,), the value on the resamples, NaN where it is undefined.
    """
    undefined = int(np.isnan(samples).sum())
    if undefined > MOST_UNDEFINED * len(samples):
        return Interval(reason=f"no interval: undefined on {undefined} of {len(samples)} resamples")
    defined = samples[~np.isnan(samples)]
    equal = np.abs(defined - value) <= EQUAL
    below = float((defined < value)[~equal].sum() + 0.5 * equal.sum()) / len(defined)
    if not 0 < below < 1:
        return Interval(reason=f"no interval: it is {'larger' if below else 'smaller'} than on all resamples")
    shift = 2 * _NORMAL.inv_cdf(below)
    reach = _NORMAL.inv_cdf((1 + CONFIDENCE_LEVEL) / 2)
    low, high = np.quantile(defined, [_NORMAL.cdf(shift - reach), _NORMAL.cdf(shift + reach)])
    return Interval(float(low), float(high))
