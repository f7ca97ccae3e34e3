"""AP on every resample of the images, from the matches on the data set itself; nothing is matched again.

A detection counts as often as its image was drawn. Precision and recall follow from two weighted cumulative sums. They
are computed only at true positives: between two of them precision falls and recall is constant, so the interpolated
curve does not change. If no two scores are equal, this is the curve that pycocotools would accumulate on a data set
that holds every image as often as it was drawn.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from segharness.cpu_cores import cores
from segharness.score.bootstrap import Resamples
from segharness.score.evaluations.matches import Matches

_RECALLS = np.linspace(0.0, 1.0, 101)
_EPSILON = np.spacing(1)
_ELEMENTS = 2_000_000
"""The number of weights gathered at a time: a few megabytes, so that they stay in the processor's cache."""

Steps: TypeAlias = tuple[npt.NDArray[np.int8], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Recall of one category: a table, its offsets, and the number of ground truths in each resample.

For every number of ground truths that occurs, the table says how many of the 101 recall thresholds each number of true
positives reaches. The offsets, (B,), say where the part of each resample begins in the table."""


def average_precisions(
    matches: Matches, resamples: Resamples, prepared: dict[Any, Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return AP by category, IoU threshold and resample, float64 (K, T, B); NaN if the resample has no ground truth.

    Args:
        matches: the matches of one cell.
        resamples: resamples of the same images.
        prepared: a cache for the next cells: it keeps what depends on the ground truth alone.
    """
    prepared = {} if prepared is None else prepared
    categories = len(matches.starts) - 1
    samples = np.empty((categories, len(matches.hit), resamples.size))

    def fill_category(category: int) -> None:
        samples[category] = _category_precisions(matches, resamples.counts, category, prepared)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(fill_category, range(categories)))
    return samples


def means(samples: npt.NDArray[np.float64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return mean AP on every resample, over thresholds and over the categories with ground truth.

    Args:
        samples: AP by category, threshold and resample, (K, T, B), as `average_precisions` returns it.
        columns: the positions of the categories to average.

    Returns:
        float64 (B,), NaN if none of the categories has ground truth in the resample.
    """
    chosen = samples[columns]
    defined = ~np.isnan(chosen[:, 0])
    total = np.where(defined[:, None], chosen, 0.0).sum(axis=(0, 1))
    count = defined.sum(axis=0) * chosen.shape[1]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _category_precisions(
    matches: Matches, counts: npt.NDArray[np.int16], category: int, prepared: dict[Any, Any]
) -> npt.NDArray[np.float64]:
    """Return AP of one category by threshold and resample, (T, B)."""
    steps, offsets, truths = _steps(matches, counts, category, prepared)
    rows = slice(matches.starts[category], matches.starts[category + 1])
    image, hit, ignored = matches.image[rows], matches.hit[:, rows], matches.ignored[:, rows]
    precisions = np.zeros((len(hit), counts.shape[1]))
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
                precisions[row, part] = _threshold_precisions(
                    weights, seen, union, hit[row], ignored[row], steps, offsets[part]
                )
    precisions[:, truths == 0] = np.nan
    return precisions


def _threshold_precisions(
    weights: npt.NDArray[np.int16],
    seen: npt.NDArray[np.int32],
    union: npt.NDArray[np.int64],
    hit: npt.NDArray[np.bool_],
    ignored: npt.NDArray[np.bool_],
    steps: npt.NDArray[np.int8],
    offsets: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64] | float:
    """Return AP of one category at one IoU threshold on B resamples, (B,).

    Args:
        weights: (N, B), how often each detection counts.
        seen: (U, B), the number of detections up to and including each one of `union`.
        union: (U,), the rows of the detections that are hits at any threshold.
        hit: bool, whether each detection is a hit at this threshold.
        ignored: bool, whether each detection is ignored at this threshold.
        steps: the table of `Steps`.
        offsets: (B,), where the part of each resample begins in `steps`.
    """
    hits = np.flatnonzero(hit[union])
    if not len(hits):
        return 0.0
    hit_rows = union[hits]
    true_positives = np.cumsum(weights[hit_rows], axis=0, dtype=np.int32)
    total = seen[hits]
    ignored_rows = np.flatnonzero(ignored[: len(weights)])
    if len(ignored_rows):
        ignored_before = np.concatenate(
            [np.zeros_like(total[:1]), np.cumsum(weights[ignored_rows], axis=0, dtype=np.int32)]
        )
        total = total - ignored_before[np.searchsorted(ignored_rows, hit_rows)]
    precision = true_positives / (total + _EPSILON)
    highest = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    reached = steps[true_positives + offsets]
    reached[1:] -= reached[:-1].copy()
    area: npt.NDArray[np.float64] = np.einsum("nb,nb->b", reached, highest) / len(_RECALLS)
    return area


def _steps(matches: Matches, counts: npt.NDArray[np.int16], category: int, prepared: dict[Any, Any]) -> Steps:
    key = ("steps", len(matches.truth_starts), counts.shape[1], category)
    if key not in prepared:
        image = matches.truth_image[matches.truth_starts[category] : matches.truth_starts[category + 1]]
        prepared[key] = _make_steps(counts[image].sum(axis=0, dtype=np.int64))
    steps: Steps = prepared[key]
    return steps


def _make_steps(truths: npt.NDArray[np.int64]) -> Steps:
    sizes, inverse = np.unique(truths, return_inverse=True)
    tables = [
        np.searchsorted(_RECALLS, np.arange(size + 1) / max(size, 1), side="right").astype(np.int8) for size in sizes
    ]
    offsets = np.concatenate([[0], np.cumsum(sizes + 1)[:-1]])
    return np.concatenate(tables), offsets[inverse], truths
