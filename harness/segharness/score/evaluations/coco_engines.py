"""The engines of the COCO evaluation: they match and accumulate one cell, and return the matches.

pycocotools is the definition. hotcoco computes the same bits, faster. hotcoco has no boundary IoU, so for the task
``boundary`` both engines are pycocotools with the IoU of `segharness.score.evaluations.boundary`.
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
"""The matches of one image and category: the detections' ``dtIds`` (D,), and ``dtMatches`` and ``dtIgnore`` (T, D)."""


@dataclass(frozen=True)
class Accumulated:
    """The result of an engine for one cell.

    The axes are IoU thresholds (T), recall thresholds (R), categories (K; a single one if class-agnostic), area ranges
    (A) and maxDets (M). Values of a category without ground truth are -1.

    Attributes:
        precision: float64 (T, R, K, A, M).
        recall: float64 (T, K, A, M).
        matched: what the function `matched` returns for all predictions; None if the engine does not have it at hand.
    """

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    matched: Sequence[Matched | None] | None = None


def accumulate(
    ground_truth: GroundTruth, predictions: pa.Table, task: str, engine: str, parameters: CocoParameters
) -> Accumulated:
    """Match and accumulate one cell with the engine of that name, a key of `ENGINES`."""
    evaluation = ENGINES[engine](ground_truth, predictions, task, parameters)
    evaluation.evaluate()
    evaluation.accumulate()
    matches = None
    if isinstance(evaluation, QuietEval):
        low, high = parameters.ranges[0]
        matches = [pair for pair in evaluation.evalImgs if pair is None or list(pair["aRng"]) == [low, high]]
    return Accumulated(np.asarray(evaluation.eval["precision"]), np.asarray(evaluation.eval["recall"]), matches)


def matched(
    ground_truth: GroundTruth, predictions: pa.Table, task: str, engine: str, parameters: CocoParameters
) -> Sequence[Matched | None]:
    """Return the matches of every image and category over all areas, from the engine of that name, a key of `ENGINES`.

    An image and category without ground truth and detections may be None or absent. ``dtIds`` are the numbers of the
    rows of `predictions`, from 1.
    """
    all_areas = CocoParameters(parameters.thresholds, (), parameters.max_dets[-1:], parameters.class_agnostic)
    evaluation = ENGINES[engine](ground_truth, predictions, task, all_areas)
    evaluation.evaluate()
    matches: Sequence[Matched | None] = evaluation.evalImgs
    return matches


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
    """Return hotcoco's index of a ground truth; it is made once and kept in `prepared`."""
    if "hotcoco" not in ground_truth.prepared:
        ground_truth.prepared["hotcoco"] = hotcoco.COCO(scored_keys(ground_truth.content))
    return ground_truth.prepared["hotcoco"]


_IMAGE_LISTS = ("neg_category_ids", "not_exhaustive_category_ids")
_ANNOTATION_KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore", "segmentation")


def scored_keys(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ground truth with the keys that metrics read, and no other.

    hotcoco holds every key of COCO's format to its type, and exporters write what they like: ``"date_captured": 0``.
    """
    return {
        "images": [
            {
                **{key: image[key] for key in ("id", "height", "width")},
                **{key: [int(id) for id in image[key]] for key in _IMAGE_LISTS if isinstance(image.get(key), list)},
            }
            for image in content["images"]
        ],
        "annotations": [
            {key: annotation[key] for key in _ANNOTATION_KEYS if annotation.get(key) is not None}
            for annotation in content["annotations"]
        ],
        "categories": [
            {
                **{key: category[key] for key in ("id", "name", "isthing") if key in category},
                **({"frequency": category["frequency"]} if isinstance(category.get("frequency"), str) else {}),
            }
            for category in content["categories"]
        ],
    }


def hotcoco_detections(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> Any:
    """Return the predictions as hotcoco's detections: boxes for ``bbox``, masks with their own areas for ``segm``."""
    truth = hotcoco_truth(ground_truth)
    ids = predictions.column("image_id").to_numpy()
    if len(ids) and np.abs(ids).max() >= 2**53:  # float64 cannot hold such ids
        return truth.load_res(results(ground_truth, predictions, task))
    columns = [predictions.column(name).to_numpy().astype(np.float64) for name in ("image_id", "score", "category_id")]
    masks: Any = rles(ground_truth, predictions) if task == "segm" else None
    shapes = boxes(predictions) if masks is None else _area_boxes(masks)
    rows = np.column_stack([columns[0], shapes, *columns[1:]])
    return truth.load_res(rows) if masks is None else truth.load_res(rows, segmentation=masks)


def _area_boxes(masks: list[dict[str, Any]]) -> npt.NDArray[np.float64]:
    """Return boxes with the areas of masks, float64 (N, 4): hotcoco takes the area of a result from its box."""
    areas = np.asarray(rle.area(masks), dtype=np.float64) if masks else np.zeros(0)
    return np.column_stack([np.zeros((len(areas), 2)), areas, np.ones(len(areas))])


def _with_pycocotools(ground_truth: GroundTruth, predictions: pa.Table, task: str, parameters: CocoParameters) -> Any:
    truth = pycocotools_truth(ground_truth, task)
    with contextlib.redirect_stdout(io.StringIO()):
        result_list = results(ground_truth, predictions, task)
        if result_list:
            detections = truth.loadRes(result_list)
        else:
            detections = COCO()
            detections.dataset = {**ground_truth.content, "annotations": []}
            detections.createIndex()
    kind = BoundaryEval if task == "boundary" else QuietEval
    return _set_parameters(kind(truth, detections, "bbox" if task == "bbox" else "segm"), parameters)


def pycocotools_truth(ground_truth: GroundTruth, task: str) -> COCO:
    """Return pycocotools' index of a ground truth, a copy for each task because pycocotools changes annotations."""
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


def _set_parameters(evaluation: Any, parameters: CocoParameters) -> Any:
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
"""The engines by name: functions that prepare the evaluation of one cell."""


# ----------------------------------------------------------------------------------------------- inputs of engines


def rles(ground_truth: GroundTruth, predictions: pa.Table) -> list[dict[str, Any]]:
    """Return the masks of predictions as compressed COCO RLEs."""
    sizes = ground_truth.prepared.setdefault(
        "sizes", {image["id"]: [image["height"], image["width"]] for image in ground_truth.content["images"]}
    )
    ids = predictions.column("image_id").to_pylist()
    masks = predictions.column("mask").to_pylist()
    return [{"size": sizes[image_id], "counts": counts} for image_id, counts in zip(ids, masks, strict=True)]


def boxes(predictions: pa.Table) -> npt.NDArray[np.float64]:
    """Return the boxes of predictions in pixels, float64 (N, 4): x, y, width, height."""
    flat = predictions.column("bbox").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    xywh: npt.NDArray[np.float64] = flat.astype(np.float64).reshape(-1, 4)
    return xywh


def results(ground_truth: GroundTruth, predictions: pa.Table, task: str) -> list[dict[str, Any]]:
    """Return the predictions as a COCO result list: with `bbox` for the task ``bbox``, else with `segmentation`."""
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
