"""AP on every resample of the images, from the matches of the data set as it is: nothing is matched again.

A detection counts as often as its image was drawn. Precision and recall follow from two weighted cumulative sums, and only
at true positives: between two of them precision falls and recall stands, so the interpolated curve does not change. With
distinct scores this is the curve that pycocotools would accumulate on a data set that holds the images as often as drawn.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from segharness.machine import cores
from segharness.score.evaluations.matches import Matches
from segharness.score.resample import Resamples

_RECALLS = np.linspace(0.0, 1.0, 101)
_EPSILON = np.spacing(1)
_ELEMENTS = 2_000_000
"""How many weights are gathered at a time: a few megabytes, so that they stay in the cache."""

Steps: TypeAlias = tuple[npt.NDArray[np.int8], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Of one category: how many of the 101 recall thresholds each number of true positives reaches, for every number of
ground truths that occurs; where each resample's part of that table begins; each resample's ground truths."""


def average_precisions(
    matches: Matches, resamples: Resamples, prepared: dict[Any, Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return AP on every resample, float64 (K, T, B), NaN where a category has no ground truth in a resample.

    Args:
        matches: of one cell.
        resamples: of the same images.
        prepared: keeps what depends on the ground truth alone for the next cell.
    """
    prepared = {} if prepared is None else prepared
    categories = len(matches.starts) - 1
    found = np.empty((categories, len(matches.hit), resamples.size))

    def one(category: int) -> None:
        found[category] = _category(matches, resamples.counts, category, prepared)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(one, range(categories)))
    return found


def means(samples: npt.NDArray[np.float64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the mean over thresholds and those of some categories that have ground truth: (K, T, B) -> (B,)."""
    chosen = samples[columns]
    defined = ~np.isnan(chosen[:, 0])
    total = np.where(defined[:, None], chosen, 0.0).sum(axis=(0, 1))
    count = defined.sum(axis=0) * chosen.shape[1]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _category(
    matches: Matches, counts: npt.NDArray[np.int16], category: int, prepared: dict[Any, Any]
) -> npt.NDArray[np.float64]:
    """Return AP of one category, (T, B)."""
    steps, offsets, truths = _steps(matches, counts, category, prepared)
    rows = slice(matches.starts[category], matches.starts[category + 1])
    image, hit, ignored = matches.image[rows], matches.hit[:, rows], matches.ignored[:, rows]
    found = np.zeros((len(hit), counts.shape[1]))
    union = np.flatnonzero(hit.any(axis=0))
    if len(union):
        image = image[: union[-1] + 1]
        width = max(1, _ELEMENTS // len(image))
        for first in range(0, counts.shape[1], width):
            part = slice(first, first + width)
            weights = counts[:, part][image]
            seen = np.add.reduceat(weights, np.concatenate([[0], union[:-1] + 1]), axis=0, dtype=np.int32)
            np.cumsum(seen, axis=0, out=seen)
            for row in range(len(hit)):
                found[row, part] = _threshold(weights, seen, union, hit[row], ignored[row], steps, offsets[part])
    found[:, truths == 0] = np.nan
    return found


def _threshold(
    weights: npt.NDArray[np.int16],
    seen: npt.NDArray[np.int32],
    union: npt.NDArray[np.int64],
    hit: npt.NDArray[np.bool_],
    ignored: npt.NDArray[np.bool_],
    steps: npt.NDArray[np.int8],
    offsets: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64] | float:
    """Return AP at one threshold, (B,).

    Args:
        weights: (N, B), how often each detection counts.
        seen: (U, B), how many detections there are up to and with each of `union`, the hits at any threshold.
    """
    which = np.flatnonzero(hit[union])
    if not len(which):
        return 0.0
    at = union[which]
    true = np.cumsum(weights[at], axis=0, dtype=np.int32)
    total = seen[which]
    left_out = np.flatnonzero(ignored[: len(weights)])
    if len(left_out):
        before = np.concatenate([np.zeros_like(total[:1]), np.cumsum(weights[left_out], axis=0, dtype=np.int32)])
        total = total - before[np.searchsorted(left_out, at)]
    precision = true / (total + _EPSILON)
    highest = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    reached = steps[true + offsets]
    reached[1:] -= reached[:-1].copy()
    area: npt.NDArray[np.float64] = np.einsum("nb,nb->b", reached, highest) / len(_RECALLS)
    return area


def _steps(matches: Matches, counts: npt.NDArray[np.int16], category: int, prepared: dict[Any, Any]) -> Steps:
    key = ("steps", len(matches.truth_starts), counts.shape[1], category)
    if key not in prepared:
        image = matches.truth_image[matches.truth_starts[category] : matches.truth_starts[category + 1]]
        prepared[key] = _make_steps(counts[image].sum(axis=0, dtype=np.int64))
    found: Steps = prepared[key]
    return found


def _make_steps(truths: npt.NDArray[np.int64]) -> Steps:
    sizes, inverse = np.unique(truths, return_inverse=True)
    tables = [
        np.searchsorted(_RECALLS, np.arange(size + 1) / max(size, 1), side="right").astype(np.int8) for size in sizes
    ]
    offsets = np.concatenate([[0], np.cumsum(sizes + 1)[:-1]])
    return np.concatenate(tables), offsets[inverse], truths
