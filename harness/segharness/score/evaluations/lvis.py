"""The evaluation ``lvis``: AP on data sets whose images are not annotated for every category ("LVIS", Gupta et al.).

Every image lists categories that it does not hold (`neg_category_ids`). Detections of a category that is neither
annotated nor listed there are left out. Categories in `not_exhaustive_category_ids` are annotated only in part: their
unmatched detections are ignored. The 300 most confident detections of an image count, whatever their category. hotcoco
is the engine.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hotcoco
import numpy as np
import pyarrow as pa

from segharness.score.evaluations import coco
from segharness.score.evaluations.coco import Columns
from segharness.score.evaluations.coco_engines import Accumulated, hotcoco_detections, hotcoco_truth
from segharness.score.evaluations.coco_parameters import CocoParameters
from segharness.score.request import Score, ScoreRequest
from segharness.suite import OVERALL, Split

DETECTIONS = 300
FREQUENCIES = {"APr": "r", "APc": "c", "APf": "f"}
"""The AP of rare, common and frequent categories, with the `frequency` of these categories in the ground truth."""
_PARAMETERS = CocoParameters(max_dets=(DETECTIONS,))
METRICS = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L", *FREQUENCIES, "AR300", "AR_S", "AR_M", "AR_L")

_IMAGE_KEYS = ("neg_category_ids", "not_exhaustive_category_ids")


def score(request: ScoreRequest) -> list[Score]:
    """Return LVIS's metrics over all categories and over every split, and AP of every category."""
    content = request.ground_truth.content
    if reason := coco.reason_unfit(request) or _lacking(content) or _crowded(content):
        return coco.null_scores(request, METRICS, reason)
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    frequency = np.array([c["frequency"] for c in categories])
    counts = coco.instances(content, categories)
    accumulated = _accumulate(request)
    blank = Score("", None, n_images=len(content["images"]))

    def metric_score(metric: str, chosen: Columns, template: Score) -> Score:
        if metric in FREQUENCIES:
            chosen, coco_metric = chosen[frequency[chosen] == FREQUENCIES[metric]], "AP"
        else:
            coco_metric = metric
        value = coco.mean(accumulated, coco_metric, chosen, _PARAMETERS)
        return replace(template, metric=metric, value=value, reason="no ground truth" if value is None else None)

    scores = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        split_blank = replace(blank, split=split.name, n_instances=int(counts[chosen].sum()))
        scores += [metric_score(metric, chosen, split_blank) for metric in METRICS]
    for name, column in columns.items():
        scores.append(
            metric_score("AP", np.array([column]), replace(blank, category=name, n_instances=int(counts[column])))
        )
    return scores


def _lacking(content: Mapping[str, Any]) -> str | None:
    if any(c.get("frequency") not in FREQUENCIES.values() for c in content["categories"]):
        return "the data set does not say how frequent its categories are, as LVIS does"
    if any(not isinstance(image.get(key), list) for image in content["images"] for key in _IMAGE_KEYS):
        return f"the data set's images have no {' and '.join(_IMAGE_KEYS)}, as LVIS's have"
    return None


def _crowded(content: Mapping[str, Any]) -> str | None:
    crowd = any(annotation.get("iscrowd") for annotation in content["annotations"])
    return "LVIS's evaluation knows neither crowds nor regions that a policy ignores" if crowd else None


def _accumulate(request: ScoreRequest) -> Accumulated:
    truth = hotcoco_truth(request.ground_truth)
    detections = hotcoco_detections(request.ground_truth, _most_confident(request.predictions), request.task)
    evaluation = hotcoco.COCOeval(truth, detections, request.task, lvis_style=True)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    arrays: Any = evaluation.eval
    return Accumulated(np.asarray(arrays["precision"]), np.asarray(arrays["recall"]))


def _most_confident(predictions: pa.Table) -> pa.Table:
    """Return the `DETECTIONS` most confident predictions of every image; the first ones of equal confidence."""
    ids = predictions.column("image_id").to_numpy()
    order = np.lexsort((-predictions.column("score").to_numpy(), ids))  # stable
    starts = np.flatnonzero(np.append(True, ids[order][1:] != ids[order][:-1])) if len(ids) else ids
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return predictions.take(np.sort(order[rank < DETECTIONS]))
