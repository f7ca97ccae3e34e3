"""Gathers masks under points into the instances of an image: greedy, class-agnostic. (AdaptIS, section 3.5)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float32]

Selector = Callable[[Points], Floats]
"""Takes points (P, 2), x and y in pixels; returns the confidence of their masks at every pixel, float32 (P, H, W)."""


@dataclass(frozen=True)
class Rules:
    """The parameters of the aggregation.

    Attributes:
        threshold: T, the least confidence of a mask's pixels.
        overlap: a mask is dropped if at least this share of it is already segmented.
        iterations: the largest number of iterations.
        least: the least area in pixels; a smaller mask is dropped, and the search ends with fewer unknown pixels.
    """

    threshold: float = 0.5
    overlap: float = 0.5
    iterations: int = 40
    least: int = 10


@dataclass(frozen=True)
class SegmentedObjects:
    """The instances of an image.

    Attributes:
        masks: bool (N, H, W); no two share a pixel.
        scores: float32 (N,): the mean confidence over each mask as it was selected.
    """

    masks: Bools
    scores: Floats


def aggregate(
    foreground: Bools, propose: Callable[[Bools], Points], select: Selector, rules: Rules
) -> SegmentedObjects:
    """Return the instances of an image, searched one after the other.

    Each iteration asks `propose` for points among the unknown pixels. Of their masks, the one with the highest mean
    confidence is kept, unless too much of it is segmented already. Either way its pixels are no longer unknown. In
    the end every pixel belongs to the mask with the highest confidence there.

    Args:
        foreground: bool (H, W), the pixels of all objects.
        propose: takes the unknown pixels, bool (H, W), and returns points (P, 2); the search ends if there are none.
        select: the network.
        rules: the parameters.
    """
    unknown = foreground.copy()
    owner = np.full(foreground.shape, -1)
    best_confidence = np.zeros(foreground.shape, np.float32)
    scores: list[float] = []
    for _ in range(rules.iterations):
        if unknown.sum() < rules.least:
            break
        points = propose(unknown)
        if not len(points):
            break
        confidence, mask, score, point = _most_confident(select(points), points, rules)
        unknown[_pixel(point, unknown.shape)] = False
        unknown &= ~mask
        area = mask.sum()
        if area < rules.least or (mask & (owner >= 0)).sum() >= rules.overlap * area:
            continue
        gained = mask & ((owner < 0) | (confidence > best_confidence))
        owner[gained] = len(scores)
        best_confidence[gained] = confidence[gained]
        scores.append(score)
    masks = owner[None] == np.arange(len(scores))[:, None, None]
    kept = masks.any(axis=(1, 2))
    return SegmentedObjects(masks[kept], np.array(scores, dtype=np.float32)[kept])


def _most_confident(confidences: Floats, points: Points, rules: Rules) -> tuple[Floats, Bools, float, Points]:
    """Return confidence, mask, score and point of the mask with the highest mean confidence."""
    masks = confidences >= rules.threshold
    means = mean_confidences(confidences, masks)
    chosen = int(np.argmax(np.where(masks.sum(axis=(1, 2)) >= rules.least, means, -1)))
    return confidences[chosen], masks[chosen], float(means[chosen]), points[chosen]


def mean_confidences(confidences: Floats, masks: Bools) -> Floats:
    """Return the mean confidence over each mask, float32 (N,), 0 for an empty mask. Both arguments are (N, H, W)."""
    means: Floats = ((confidences * masks).sum(axis=(1, 2)) / np.maximum(masks.sum(axis=(1, 2)), 1)).astype(np.float32)
    return means


def _pixel(point: Points, shape: tuple[int, ...]) -> tuple[int, int]:
    row, column = int(point[1]), int(point[0])
    return min(max(row, 0), shape[0] - 1), min(max(column, 0), shape[1] - 1)


def random_points(rng: np.random.Generator, count: int) -> Callable[[Bools], Points]:
    """Return a proposer of `count` random unknown pixels, all with the same probability."""

    def propose(unknown: Bools) -> Points:
        rows, columns = np.nonzero(unknown)
        chosen = rng.choice(len(rows), min(count, len(rows)), replace=False)
        return _pixel_centres(rows[chosen], columns[chosen])

    return propose


def best_points(quality: Floats, count: int) -> Callable[[Bools], Points]:
    """Return a proposer of the `count` unknown pixels with the highest quality, float32 (H, W)."""

    def propose(unknown: Bools) -> Points:
        ranked = np.where(unknown, quality, -np.inf).ravel()
        count_here = min(count, int(unknown.sum()))
        chosen = np.argsort(-ranked, kind="stable")[:count_here]
        return _pixel_centres(*np.divmod(chosen, unknown.shape[1]))

    return propose


def _pixel_centres(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Points:
    centres: Points = np.stack([columns, rows], axis=1).astype(np.float32) + np.float32(0.5)
    return centres
