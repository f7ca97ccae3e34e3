"""The evaluation ``speed``: how long a model's `predict` takes for one image while the harness prepares the next ones.

Only the call of `predict` is timed, at batch 1, separately for each device. The first calls of a model in a process are
its warm-up and are left out.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segharness.score.request import Score, ScoreRequest

METRICS = ("fps", "ms_median", "ms_p95")

WARM_UP = 10
"""The number of first calls of a model in a process that are left out."""


def score(request: ScoreRequest) -> list[Score]:
    """Return frames per second at the median time, and median and 95th percentile of the milliseconds for an image."""
    images = request.images
    assert images is not None
    timed = images.filter(pc.is_valid(images.column("seconds")))
    if not len(timed):
        return _nothing("nothing was timed: the model was not run here")
    if timed.column("call").null_count:
        return _nothing("the predictions are of a version that did not count calls; --fresh makes them again")
    if (batch := pc.max(timed.column("batch")).as_py()) != 1:
        return _nothing(f"timed at batch {batch}, not 1")
    warm = timed.filter(pc.greater_equal(timed.column("call"), WARM_UP))
    if not len(warm):
        return _nothing(f"all {len(timed)} images fell into the warm-up, the first {WARM_UP} calls in each process")
    scores: list[Score] = []
    for device in sorted(set(warm.column("device").to_pylist())):
        scores += _numbers(warm.filter(pc.equal(warm.column("device"), device)), device)
    return scores


def _numbers(timed: pa.Table, device: str) -> list[Score]:
    seconds = timed.column("seconds").to_numpy()
    median, p95 = np.quantile(seconds, [0.5, 0.95])
    values = (1 / median if median > 0 else None, 1000 * median, 1000 * p95)
    return [
        Score(metric, None if value is None else float(value), n_images=len(seconds), device=device)
        for metric, value in zip(METRICS, values, strict=True)
    ]


def _nothing(reason: str) -> list[Score]:
    return [Score(metric, None, reason) for metric in METRICS]
