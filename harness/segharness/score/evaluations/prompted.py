"""The evaluations ``given-boxes`` and ``given-points``: the model gets each object's place and masks it.

The model returns one mask for every ground truth. ``mask_IoU`` is the mean IoU over instances. ``mask_mIoU`` is the
mean over categories of their mean IoU, as in "The surprising impact of mask-head architecture on novel class
segmentation" (Deep-MAC). If the model gives scores, COCO's metrics are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

from segharness.masks import to_rle
from segharness.score.evaluations import coco
from segharness.score.evaluations.coco_parameters import CocoParameters
from segharness.score.request import Score, ScoreRequest
from segharness.suite import OVERALL, Split

IOUS = ("mask_mIoU", "mask_IoU")
METRICS = (*IOUS, *CocoParameters().names())


def boxes(request: ScoreRequest) -> list[Score]:
    """Score a model that was given the boxes of the ground truth."""
    return _score(request, "boxes")


def points(request: ScoreRequest) -> list[Score]:
    """Score a model that was given a point in each mask of the ground truth."""
    return _score(request, "points")


def _score(request: ScoreRequest, kind: str) -> list[Score]:
    prompt_kind = coco.prompt_kind_of(request)
    if prompt_kind != kind:
        model_text = f"was given {prompt_kind}" if prompt_kind else "takes no prompts"
        return coco.null_scores(request, METRICS, f"the model {model_text}, this evaluation is of given {kind}")
    ious = _ious(request)
    categories = sorted(request.ground_truth.content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    blank = Score("", None, n_images=len(request.ground_truth.content["images"]))
    scores: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        scores += [ious.score(replace(blank, metric=metric, split=split.name), chosen) for metric in IOUS]
    for name, column in columns.items():
        category_blank = replace(blank, metric="mask_IoU", category=name)
        scores.append(ious.score(category_blank, np.array([column])))
    if request.predictions.column("score").null_count:
        return [*scores, *coco.null_scores(request, METRICS[len(IOUS) :], "the model gives no scores")]
    return [*scores, *coco.score(replace(request, images=None))]


@dataclass(frozen=True)
class _Ious:
    """The IoU of every prediction with its ground truth.

    Attributes:
        iou: float64 (P,).
        category: int64 (P,), the prediction's category, as a position in the sorted category ids.
        image: int64 (P,), the prediction's image, as a position in the sorted image ids.
        weights: int16 (N, 1 + B), how often each image counts: in the data set itself, then in every resample.
    """

    iou: npt.NDArray[np.float64]
    category: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int16]

    def score(self, blank: Score, columns: Sequence[int] | npt.NDArray[np.int64]) -> Score:
        """Return `blank` with the value of its metric over the categories at `columns`, or with the reason for none."""
        sums, counts = (np.empty((len(columns), self.weights.shape[1])) for _ in range(2))
        for row, column in enumerate(columns):
            in_category = self.category == column
            weights = self.weights[self.image[in_category]].astype(np.float64)
            sums[row], counts[row] = self.iou[in_category] @ weights, weights.sum(axis=0)
        if blank.metric == "mask_IoU":
            sums, counts = sums.sum(axis=0, keepdims=True), counts.sum(axis=0, keepdims=True)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 0.0)
        defined = (counts > 0).sum(axis=0)
        values = np.where(defined > 0, means.sum(axis=0) / np.maximum(defined, 1), np.nan)
        samples = values[1:] if len(values) > 1 else None
        number = replace(blank, n_instances=int(np.isin(self.category, columns).sum()), samples=samples)
        if np.isnan(values[0]):
            return replace(number, reason="no ground truth")
        return replace(number, value=float(values[0]))


def _ious(request: ScoreRequest) -> _Ious:
    content = request.ground_truth.content
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    if "given" not in request.ground_truth.prepared:
        request.ground_truth.prepared["given"] = {
            a["id"]: to_rle(a["segmentation"], *sizes[a["image_id"]]) for a in content["annotations"]
        }
    truths = request.ground_truth.prepared["given"]
    ids = request.predictions.column("image_id").to_pylist()
    rows = zip(
        ids,
        request.predictions.column("annotation_id").to_pylist(),
        request.predictions.column("mask").to_pylist(),
        strict=True,
    )
    iou = [
        float(rle.iou([{"size": list(sizes[image_id]), "counts": mask}], [truths[annotation]], [0])[0, 0])
        for image_id, annotation, mask in rows
    ]
    image_ids = np.array(sorted(sizes), dtype=np.int64)
    category_ids = np.array(sorted(c["id"] for c in content["categories"]), dtype=np.int64)
    weights = np.ones((len(image_ids), 1), dtype=np.int16)
    if request.resamples is not None:
        weights = np.concatenate([weights, request.resamples.counts], axis=1)
    return _Ious(
        np.array(iou, dtype=np.float64),
        np.searchsorted(category_ids, request.predictions.column("category_id").to_numpy()),
        np.searchsorted(image_ids, np.array(ids, dtype=np.int64)),
        weights,
    )
