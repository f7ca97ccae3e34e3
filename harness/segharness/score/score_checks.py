"""Checks of what an evaluation returns: it computes what it declares, in the units that it declares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from segharness.plugin.metric_specs import FRACTION, EvaluationMetrics
from segharness.score.bootstrap import Resamples
from segharness.score.request import Score


def check_scores(scores: Sequence[Score], metrics: EvaluationMetrics, resamples: Resamples | None = None) -> None:
    """Check the scores of one cell and task.

    Args:
        scores: what the evaluation returned.
        metrics: those that it declares.
        resamples: those of the request; None without bootstrap.

    Raises:
        ValueError: a score is of a metric that is not declared, its value is not finite or no fraction though its unit
            is, or its samples are not one value for each resample.
    """
    units = {metric.name: metric.unit for metric in metrics.declared}
    size = (resamples.size,) if resamples is not None else None
    for score in scores:
        if score.metric not in units:
            raise ValueError(f"returned `{score.metric}`, which it does not declare (declared: {', '.join(units)})")
        if score.value is not None and not math.isfinite(score.value):
            raise ValueError(f"`{score.metric}` is {score.value}, not a finite number")
        if score.value is not None and units[score.metric] == FRACTION and not 0 <= score.value <= 1:
            raise ValueError(
                f"`{score.metric}` is {score.value:g}, not a fraction from 0 to 1; its Metric can declare another unit"
            )
        shape = None if score.samples is None else np.shape(score.samples)
        if shape is not None and shape != size:
            raise ValueError(f"`{score.metric}` has samples of shape {shape}, there are {size and size[0]} resamples")
