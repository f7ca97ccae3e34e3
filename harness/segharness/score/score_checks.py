"""Checks of what an evaluation returns: it computes what it declares, in the units that it declares."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from segharness.plugin.metric_specs import FRACTION, EvaluationMetrics
from segharness.score.bootstrap import Resamples
from segharness.score.request import Score
from segharness.suite import OVERALL

_ROUNDING = 1e-9
"""A fraction may leave 0 to 1 by so much, because sums are rounded; it is then 0 or 1."""


def checked_scores(
    scores: Sequence[Score],
    metrics: EvaluationMetrics,
    resamples: Resamples | None = None,
    *,
    splits: Collection[str] = (),
    categories: Collection[str] = (),
) -> list[Score]:
    """Return the scores of one cell and task, with floats as values and arrays as samples.

    A declared metric without a score over all categories is added, without a value.

    Args:
        scores: what the evaluation returned.
        metrics: those that it declares.
        resamples: those of the request; None without bootstrap.
        splits: the names of the request's splits.
        categories: the names of the ground truth's categories.

    Raises:
        ValueError: a score is of a metric, split or category that there is not, there are two of one number, its value
            is not a finite number or no fraction though its unit is, or its samples are not one for each resample.
    """
    units = {metric.name: metric.unit for metric in metrics.declared}
    checked: list[Score] = []
    seen = set()
    for score in scores:
        if not isinstance(score, Score):
            raise ValueError(f"returned a {type(score).__name__}, not a Score")
        if score.metric not in units:
            raise ValueError(f"returned `{score.metric}`, which it does not declare (declared: {', '.join(units)})")
        if score.split != OVERALL and score.split not in splits:
            raise ValueError(f"`{score.metric}` is of the split {score.split!r:.60}, which the suite does not have")
        if score.category is not None and score.category not in categories:
            raise ValueError(f"`{score.metric}` is of the category {score.category!r:.60}, which there is not")
        key = (score.metric, score.split, score.category, score.device)
        if key in seen:
            raise ValueError(f"returned `{score.metric}` twice (split {score.split}, category {score.category})")
        seen.add(key)
        checked.append(replace(score, value=_value(score, units[score.metric]), samples=_samples(score, resamples)))
    whole = {score.metric for score in checked if score.split == OVERALL and score.category is None}
    return [*checked, *(Score(name, None, "the evaluation returned no value") for name in units if name not in whole)]


def _value(score: Score, unit: str) -> float | None:
    if score.value is None:
        return None
    if not isinstance(score.value, numbers.Real) or isinstance(score.value, (bool, np.bool_)):
        raise ValueError(f"`{score.metric}` is a {type(score.value).__name__}, not a number")
    value = float(score.value)
    if not math.isfinite(value):
        raise ValueError(f"`{score.metric}` is {value}, not a finite number")
    if unit != FRACTION:
        return value
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        raise ValueError(
            f"`{score.metric}` is {value:g}, not a fraction from 0 to 1; its Metric can declare another unit"
        )
    return value if 0 <= value <= 1 else float(round(value))


def _samples(score: Score, resamples: Resamples | None) -> np.ndarray | None:
    if score.samples is None:
        return None
    samples = np.asarray(score.samples, dtype=np.float64)
    if resamples is None:
        raise ValueError(f"`{score.metric}` has samples, and there are no resamples")
    if samples.shape != (resamples.size,):
        raise ValueError(f"`{score.metric}` has samples of shape {samples.shape}, there are {resamples.size} resamples")
    if np.isinf(samples).any():
        raise ValueError(f"`{score.metric}` has infinite samples")
    return samples
