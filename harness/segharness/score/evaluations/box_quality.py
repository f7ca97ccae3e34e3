"""The evaluation ``box-quality``: how well the boxes that get a mask fit the objects (SCNet's Figure 1).

The boxes that reach a mask branch are the boxes of stored predictions. Each is held against the ground truth of its own
category in its image; those whose best IoU reaches the `minimum`, .5, are samples of an object. Their IoUs are counted in
ten steps of .05, and the share under .75 says how many masks are cut from a poor box. Crowds are no objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

from segharness.errors import UsageError
from segharness.plugin.builtin import BOX_EDGES, BOX_QUALITY
from segharness.plugin.metric_specs import Metric
from segharness.score.evaluations import coco
from segharness.score.evaluations.coco_engines import boxes as boxes_of
from segharness.score.request import Score, ScoreRequest
from segharness.suite import OVERALL, Split

POOR = 0.75

Floats = npt.NDArray[np.float64]


def configure(options: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Check the options: ``minimum``, the least IoU of a sample, and ``score``, the least score of a box.

    Raises:
        UsageError: an option is unknown or no number from 0 to 1.
    """
    for key, value in options.items():
        if key not in ("minimum", "score"):
            raise UsageError(f"box-quality has no option `{key}`, only minimum and score")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise UsageError(f"`{key}` is {value!r:.60}, not a number from 0 to 1")
    return BOX_QUALITY


def score(request: ScoreRequest) -> list[Score]:
    """Return the share of poor boxes, their mean IoU and their histogram, over every split."""
    names = [metric.name for metric in BOX_QUALITY]
    if (kind := coco.prompt_kind_of(request)) is not None:
        return coco.null_scores(request, names, f"the model was given the ground truth's {kind}")
    if request.predictions.column("score").null_count:
        return coco.null_scores(request, names, "the predictions have no scores")
    categories = sorted(request.ground_truth.content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    ious, owner = best_ious(request)
    enough = ious >= float(request.options.get("minimum", BOX_EDGES[0]))
    blank = Score("", None, n_images=len(request.ground_truth.content["images"]))
    scores: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        ids = [categories[column]["id"] for column in coco.split_columns(split, columns)]
        chosen = ious[enough & np.isin(owner, ids)]
        scores += [replace(one, split=split.name) for one in _numbers(blank, chosen)]
    return scores


def _numbers(blank: Score, ious: Floats) -> list[Score]:
    count = replace(blank, metric="samples", value=float(len(ious)))
    if not len(ious):
        none = [
            replace(blank, metric=m.name, reason="no box fits an object") for m in BOX_QUALITY if m.name != "samples"
        ]
        return [*none[:2], count, *none[2:]]
    steps = np.clip(np.searchsorted(BOX_EDGES, ious, side="right") - 1, -1, len(BOX_EDGES) - 1)
    shares = [float((steps == step).mean()) for step in range(len(BOX_EDGES))]
    return [
        replace(blank, metric="below_75", value=float((ious < POOR).mean())),
        replace(blank, metric="mean_IoU", value=float(ious.mean())),
        count,
        *(
            replace(blank, metric=f"IoU_{round(100 * edge)}", value=v)
            for edge, v in zip(BOX_EDGES, shares, strict=True)
        ),
    ]


def best_ious(request: ScoreRequest) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return for each predicted box its best IoU with an object of its category and image, and its category's id."""
    truths: dict[tuple[int, int], list[Any]] = {}
    for annotation in request.ground_truth.content["annotations"]:
        if not annotation.get("iscrowd"):
            truths.setdefault((annotation["image_id"], annotation["category_id"]), []).append(annotation["bbox"])
    predictions = request.predictions
    least = float(request.options.get("score", 0.0))
    scores = predictions.column("score").to_numpy()
    owner = predictions.column("category_id").to_numpy().astype(np.int64)
    images = predictions.column("image_id").to_numpy()
    shown = boxes_of(predictions)
    ious = np.full(len(owner), -1.0)
    rows: dict[tuple[int, int], list[int]] = {}
    for row, key in enumerate(zip(images.tolist(), owner.tolist(), strict=True)):
        if key in truths and scores[row] >= least:
            rows.setdefault(key, []).append(row)
    for key, of_key in rows.items():
        found = np.asarray(rle.iou(shown[of_key].tolist(), truths[key], [0] * len(truths[key])), dtype=np.float64)
        ious[of_key] = found.reshape(len(of_key), -1).max(axis=1)
    return ious, owner
