"""The implementations of the COCO evaluation: one cell matched and accumulated, and the matches themselves.

pycocotools is the definition. hotcoco computes the same bits, faster. It has no boundary IoU, so there both are pycocotools,
with IoUs of `segharness.score.evaluations.boundary`.
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
from hotcoco import mask as rle
from pycocotools.coco import COCO

from segharness.score.evaluations.boundary import BoundaryEval, QuietEval
from segharness.score.evaluations.coco_parameters import CocoParameters
from segharness.score.request import GroundTruth

Matched = Mapping[str, Any]
"""What an engine says of one image and category: ``dtIds``, and ``dtMatches`` and ``dtIgnore`` (T, D)."""


@dataclass(frozen=True)
class Accumulated:
    """What an engine computed for one cell.

    precision float64 [T, R, K, A, M] and recall [T, K, A, M]: IoU thresholds, recall thresholds, categories (one, when
    class-agnostic), area ranges, maxDets; -1 where a category has no ground truth. `matched` is what `matched` returns for
    all predictions, where the engine has it at hand.
    """

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    matched: Sequence[Matched | None] | None = None


def accumulate(
    ground_truth: GroundTruth, predictions: pa.Table, task: str, engine: str, parameters: CocoParameters
) -> Accumulated:
    """Match and accumulate one cell with the engine of that name."""
    evaluation = ENGINES[engine](ground_truth, predictions, task, parameters)
    evaluation.evaluate()
    evaluation.accumulate()
    every = None
    if isinstance(evaluation, QuietEval):
        low, high = parameters.ranges[0]
        every = [found for found in evaluation.evalImgs if found is None or list(found["aRng"]) == [low, high]]
    return Accumulated(np.asarray(evaluation.eval["precision"]), np.asarray(evaluation.eval["recall"]), every)


def matched(
    ground_truth: GroundTruth, predictions: pa.Table, task: str, engine: str, parameters: CocoParameters
) -> Sequence[Matched | None]:
    """Return what the engine of that name matched, over all areas, of every image and category with something in it.

    ``dtIds`` count the rows of `predictions` from 1.
    """
    only = CocoParameters(parameters.thresholds, (), parameters.max_dets[-1:], parameters.class_agnostic)
    evaluation = ENGINES[engine](ground_truth, predictions, task, only)
    evaluation.evaluate()
    found: Sequence[Matched | None] = evaluation.evalImgs
    return found


# ---------------------------------------------------------------------------------------------------------- engines


def _with_hotcoco(ground_truth: GroundTruth, predictions: pa.Table, task: str, parameters: CocoParameters) -> Any:
    if task == "boundary":
        return _with_pycocotools(ground_truth, predictions, task, parameters)
    detections = hotcoco_detections(ground_truth, predictions, task)
    evaluation = hotcoco.COCOeval(hotcoco_truth(ground_truth), detections, task)
    params = evaluation.params
    if parameters.thresholds is not None:
        params.iou_thrs = parameters.iou.tolist()
    params.area_rng = parameters.ranges
    params.area_rng_lbl = ["all", *(name for name, _, _ in parameters.areas)]
    params.max_dets = list(parameters.max_dets)
    params.use_cats = not parameters.class_agnostic
    return evaluation


def hotcoco_truth(ground_truth: GroundTruth) -> Any:
    """Return hotcoco's index of a ground truth, made once."""
    if "hotcoco" not in ground_truth.prepared:
        ground_truth.prepared["hotcoco"] = hotcoco.COCO(dict(ground_truth.content))
    return ground_truth.prepared["hotcoco"]


def hotcoco_detections(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> Any:
    """Return predictions as hotcoco evaluates them: boxes for ``bbox``, masks with their own areas for ``segm``."""
    truth = hotcoco_truth(ground_truth)
    ids = predictions.column("image_id").to_numpy()
    if len(ids) and np.abs(ids).max() >= 2**53:  # an array of doubles cannot hold such ids
        return truth.load_res(results(ground_truth, predictions, task))
    columns = [predictions.column(name).to_numpy().astype(np.float64) for name in ("image_id", "score", "category_id")]
    masks: Any = rles(ground_truth, predictions) if task == "segm" else None
    shapes = boxes(predictions) if masks is None else _area_boxes(masks)
    rows = np.column_stack([columns[0], shapes, *columns[1:]])
    return truth.load_res(rows) if masks is None else truth.load_res(rows, segmentation=masks)


def _area_boxes(masks: list[dict[str, Any]]) -> npt.NDArray[np.float64]:
    """Return boxes as large as masks, (N, 4): the engine takes a result's area from its box where it has one."""
    areas = np.asarray(rle.area(masks), dtype=np.float64) if masks else np.zeros(0)
    return np.column_stack([np.zeros((len(areas), 2)), areas, np.ones(len(areas))])


def _with_pycocotools(ground_truth: GroundTruth, predictions: pa.Table, task: str, parameters: CocoParameters) -> Any:
    truth = pycocotools_truth(ground_truth, task)
    with contextlib.redirect_stdout(io.StringIO()):
        found = results(ground_truth, predictions, task)
        if found:
            detections = truth.loadRes(found)
        else:
            detections = COCO()
            detections.dataset = {**ground_truth.content, "annotations": []}
            detections.createIndex()
    kind = BoundaryEval if task == "boundary" else QuietEval
    return _set(kind(truth, detections, "bbox" if task == "bbox" else "segm"), parameters)


def pycocotools_truth(ground_truth: GroundTruth, task: str) -> COCO:
    """Return pycocotools' index of a ground truth; it writes into its annotations, so there is one a task."""
    if ("pycocotools", task) not in ground_truth.prepared:
        truth = COCO()
        truth.dataset = {
            **ground_truth.content,
            "annotations": [dict(annotation) for annotation in ground_truth.content["annotations"]],
        }
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
        ground_truth.prepared["pycocotools", task] = truth
    return ground_truth.prepared["pycocotools", task]


def _set(evaluation: Any, parameters: CocoParameters) -> Any:
    params = evaluation.params
    if parameters.thresholds is not None:
        params.iouThrs = parameters.iou
    params.areaRng = parameters.ranges
    params.areaRngLbl = ["all", *(name for name, _, _ in parameters.areas)]
    params.maxDets = list(parameters.max_dets)
    params.useCats = int(not parameters.class_agnostic)
    return evaluation


ENGINES: dict[str, Callable[[GroundTruth, pa.Table, str, CocoParameters], Any]] = {
    "hotcoco": _with_hotcoco,
    "pycocotools": _with_pycocotools,
}
"""How each engine is made ready to evaluate one cell."""


# ---------------------------------------------------------------------------------------------------- what they take


def rles(ground_truth: GroundTruth, predictions: pa.Table) -> list[dict[str, Any]]:
    """Return the masks of predictions as COCO RLEs."""
    sizes = ground_truth.prepared.setdefault(
        "sizes", {image["id"]: [image["height"], image["width"]] for image in ground_truth.content["images"]}
    )
    ids = predictions.column("image_id").to_pylist()
    masks = predictions.column("mask").to_pylist()
    return [{"size": sizes[image_id], "counts": counts} for image_id, counts in zip(ids, masks, strict=True)]


def boxes(predictions: pa.Table) -> npt.NDArray[np.float64]:
    """Return the boxes of predictions, float64 (N, 4), x y w h."""
    flat = predictions.column("bbox").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.float64] = flat.astype(np.float64).reshape(-1, 4)
    return found


def results(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> list[dict[str, Any]]:
    """Return the predictions as a COCO result list: with `bbox` for ``bbox``, with `segmentation` alone for masks."""
    shapes: Sequence[Any] = boxes(predictions).tolist() if task == "bbox" else rles(ground_truth, predictions)
    key = "bbox" if task == "bbox" else "segmentation"
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
