"""The evaluation ``lvis``: AP of data sets that are annotated category by category ("LVIS", Gupta et al.), by hotcoco.

Of an image it is known which categories it holds, and of some others that it does not (`neg_category_ids`): detections of
further categories are left out, and unmatched ones of categories that are annotated in part (`not_exhaustive_category_ids`)
are ignored. 300 detections an image count, whatever their category.
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
from segharness.score.evaluations.coco_parameters import CocoParameters
from segharness.score.evaluations.engines import Accumulated, hotcoco_detections, hotcoco_truth
from segharness.score.request import Score, ScoreRequest
from segharness.suite import OVERALL, Split

DETECTIONS = 300
FREQUENCIES = {"APr": "r", "APc": "c", "APf": "f"}
"""Over rare, common and frequent categories."""
_PARAMETERS = CocoParameters(max_dets=(DETECTIONS,))
METRICS = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L", *FREQUENCIES, "AR300", "AR_S", "AR_M", "AR_L")

_IMAGE_KEYS = ("neg_category_ids", "not_exhaustive_category_ids")


def score(request: ScoreRequest) -> list[Score]:
    """Return LVIS's numbers overall and for every split, and AP of every category."""
    content = request.ground_truth.content
    if reason := coco.unfit(request) or _lacking(content) or _crowded(content):
        return coco.nothing(request, METRICS, reason)
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    frequency = np.array([c["frequency"] for c in categories])
    counts = coco.instances(content, categories)
    accumulated = _accumulate(request)
    blank = Score("", None, n_images=len(content["images"]))

    def number(metric: str, chosen: Columns, some: Score) -> Score:
        if metric in FREQUENCIES:
            chosen, of = chosen[frequency[chosen] == FREQUENCIES[metric]], "AP"
        else:
            of = metric
        value = coco.mean(accumulated, of, chosen, _PARAMETERS)
        return replace(some, metric=metric, value=value, reason="no ground truth" if value is None else None)

    found = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        some = replace(blank, split=split.name, n_instances=int(counts[chosen].sum()))
        found += [number(metric, chosen, some) for metric in METRICS]
    for name, column in columns.items():
        found.append(number("AP", np.array([column]), replace(blank, category=name, n_instances=int(counts[column]))))
    return found


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
    found: Any = evaluation.eval
    return Accumulated(np.asarray(found["precision"]), np.asarray(found["recall"]))


def _most_confident(predictions: pa.Table) -> pa.Table:
    """Return the `DETECTIONS` most confident predictions of every image; of equal ones the first."""
    ids = predictions.column("image_id").to_numpy()
    order = np.lexsort((-predictions.column("score").to_numpy(), ids))  # stable
    starts = np.flatnonzero(np.append(True, ids[order][1:] != ids[order][:-1])) if len(ids) else ids
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return predictions.take(np.sort(order[rank < DETECTIONS]))
