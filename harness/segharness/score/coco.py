"""COCO's 12 numbers. pycocotools is the definition; hotcoco computes the same bits, faster.

The engines return precision [T, R, K, A, M] and recall [T, K, A, M] (IoU thresholds, recall thresholds, categories, area
ranges, maxDets; -1 where a category has no ground truth); the means over them are taken here, in pycocotools' order of
summation, so that splits and single categories come from the same arrays.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hotcoco
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segharness.builtin import COCO_METRICS
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.suite import OVERALL, Split

_AREAS = {"": 0, "_S": 1, "_M": 2, "_L": 3}
_PER_CATEGORY = ("AP", "AP50")


@dataclass(frozen=True)
class Accumulated:
    """What an engine computed for one cell; the shapes are at the top of this module."""

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]


def score(request: ScoreRequest) -> list[Score]:
    """Return the 12 numbers overall and for every split, and AP and AP50 of every category.

    For ``segm`` the area of a detection is its mask's, as in result files without boxes.
    """
    engine = request.engine or next(iter(ENGINES))
    if request.task == "segm" and request.predictions.column("mask").null_count:
        names = (OVERALL, *(split.name for split in request.splits))
        return [Score(metric, None, "the model gives no masks", name) for name in names for metric in COCO_METRICS]
    content = request.ground_truth.content
    accumulated = accumulate(request.ground_truth, request.predictions, request.task, engine)
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    counts = _instances(content, categories)
    images = len(content["images"])
    found: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = split_columns(split, columns)
        found += [
            _scored(
                accumulated, name, chosen, Score(name, None, None, split.name, None, images, int(counts[chosen].sum()))
            )
            for name in COCO_METRICS
        ]
    for name, column in columns.items():
        chosen = np.array([column])
        found += [
            _scored(accumulated, metric, chosen, Score(metric, None, None, OVERALL, name, images, int(counts[column])))
            for metric in _PER_CATEGORY
        ]
    return found


def split_columns(split: Split, columns: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return the positions of a split's categories, all of which are there."""
    named = {columns[name] for name in split.categories}
    return np.array([c for c in columns.values() if (c in named) != split.complement], dtype=np.int64)


def accumulate(ground_truth: GroundTruth, predictions: pa.Table, task: str, engine: str) -> Accumulated:
    """Match and accumulate one cell with the engine of that name."""
    return ENGINES[engine](ground_truth, predictions, task)


def mean(accumulated: Accumulated, metric: str, columns: npt.NDArray[np.int64]) -> float | None:
    """Return one of the 12 numbers over some categories, or None where none of them has ground truth."""
    if metric.startswith("AP"):
        area = _AREAS["_" + metric[3:] if metric[2:3] == "_" else ""]
        values = accumulated.precision[:, :, columns, area, -1]
        if metric in ("AP50", "AP75"):
            values = values[[0 if metric == "AP50" else 5]]
    else:
        area = _AREAS["_" + metric[3:] if metric[2:3] == "_" else ""]
        limit = {"AR1": 0, "AR10": 1}.get(metric, -1)
        values = accumulated.recall[:, columns, area, limit]
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else None


def _scored(accumulated: Accumulated, metric: str, columns: npt.NDArray[np.int64], blank: Score) -> Score:
    value = mean(accumulated, metric, columns)
    reason = "no ground truth" if value is None else None
    return Score(metric, value, reason, blank.split, blank.category, blank.n_images, blank.n_instances)


def _instances(content: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    """Return the number of ground truths of each category, crowds apart."""
    position = {c["id"]: i for i, c in enumerate(categories)}
    counts = np.zeros(len(categories), dtype=np.int64)
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd") and annotation["category_id"] in position:
            counts[position[annotation["category_id"]]] += 1
    return counts


# ---------------------------------------------------------------------------------------------------------- engines


def _rles(ground_truth: GroundTruth, predictions: pa.Table) -> list[dict[str, Any]]:
    sizes = ground_truth.prepared.setdefault(
        "sizes", {image["id"]: [image["height"], image["width"]] for image in ground_truth.content["images"]}
    )
    ids = predictions.column("image_id").to_pylist()
    masks = predictions.column("mask").to_pylist()
    return [{"size": sizes[image_id], "counts": counts} for image_id, counts in zip(ids, masks, strict=True)]


def _boxes(predictions: pa.Table) -> npt.NDArray[np.float64]:
    flat = predictions.column("bbox").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    boxes: npt.NDArray[np.float64] = flat.astype(np.float64).reshape(-1, 4)
    return boxes


def _with_hotcoco(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> Accumulated:
    content = ground_truth.content
    truth = ground_truth.prepared.get("hotcoco")
    if truth is None:
        truth = ground_truth.prepared["hotcoco"] = hotcoco.COCO(dict(content))
    ids = predictions.column("image_id").to_numpy()
    if task == "segm" or (len(ids) and np.abs(ids).max() >= 2**53):  # an array of doubles cannot hold such ids
        detections = truth.load_res(results(ground_truth, predictions, task))
    else:
        columns = [
            predictions.column(name).to_numpy().astype(np.float64) for name in ("image_id", "score", "category_id")
        ]
        detections = truth.load_res(np.column_stack([columns[0], _boxes(predictions), *columns[1:]]))
    evaluation = hotcoco.COCOeval(truth, detections, task)
    evaluation.evaluate()
    evaluation.accumulate()
    arrays = evaluation.eval
    assert arrays is not None
    return Accumulated(np.asarray(arrays["precision"]), np.asarray(arrays["recall"]))


def _with_pycocotools(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> Accumulated:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = ground_truth.prepared.get(("pycocotools", task))
        if truth is None:
            truth = ground_truth.prepared["pycocotools", task] = COCO()
            truth.dataset = {
                **ground_truth.content,
                "annotations": [dict(annotation) for annotation in ground_truth.content["annotations"]],
            }
            truth.createIndex()
        found = results(ground_truth, predictions, task)
        if found:
            detections = truth.loadRes(found)
        else:
            detections = COCO()
            detections.dataset = {**ground_truth.content, "annotations": []}
            detections.createIndex()
        evaluation = COCOeval(truth, detections, task)
        evaluation.evaluate()
        evaluation.accumulate()
    return Accumulated(evaluation.eval["precision"], evaluation.eval["recall"])


def results(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> list[dict[str, Any]]:
    """Return the predictions as a COCO result list: with `bbox` for ``bbox``, with `segmentation` alone for ``segm``."""
    shapes: Sequence[Any] = _rles(ground_truth, predictions) if task == "segm" else _boxes(predictions).tolist()
    key = "segmentation" if task == "segm" else "bbox"
    return [
        {"image_id": image_id, "category_id": category_id, key: shape, "score": score}
        for image_id, category_id, shape, score in zip(
            predictions.column("image_id").to_pylist(),
            predictions.column("category_id").to_pylist(),
            shapes,
            predictions.column("score").to_pylist(),
            strict=True,
        )
    ]


ENGINES: dict[str, Callable[[GroundTruth, pa.Table, str], Accumulated]] = {
    "hotcoco": _with_hotcoco,
    "pycocotools": _with_pycocotools,
}
