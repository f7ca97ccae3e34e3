"""The evaluations ``given-boxes`` and ``given-points``: the model was told where each object is, and only masks it.

Every ground truth is answered by one mask. ``mask_IoU`` is the mean IoU over instances, ``mask_mIoU`` the mean over
categories of the means in them, as in "The surprising impact of mask-head architecture on novel class segmentation"
(Deep-MAC). Where the model gives scores, COCO's numbers stand beside them.
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
METRICS = (*IOUS, *CocoParameters().metrics())


def boxes(request: ScoreRequest) -> list[Score]:
    """Return the numbers of a model that was given the ground truth's boxes."""
    return _score(request, "boxes")


def points(request: ScoreRequest) -> list[Score]:
    """Return the numbers of a model that was given a point in each of the ground truth's masks."""
    return _score(request, "points")


def _score(request: ScoreRequest, kind: str) -> list[Score]:
    given = coco.prompt(request)
    if given != kind:
        what = f"was given {given}" if given else "takes no prompts"
        return coco.nothing(request, METRICS, f"the model {what}, this evaluation is of given {kind}")
    found = _ious(request)
    categories = sorted(request.ground_truth.content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    blank = Score("", None, n_images=len(request.ground_truth.content["images"]))
    scores: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        scores += [found.score(replace(blank, metric=metric, split=split.name), chosen) for metric in IOUS]
    for name, column in columns.items():
        one = replace(blank, metric="mask_IoU", category=name)
        scores.append(found.score(one, np.array([column])))
    if request.predictions.column("score").null_count:
        return [*scores, *coco.nothing(request, METRICS[len(IOUS) :], "the model gives no scores")]
    return [*scores, *coco.score(replace(request, images=None))]


@dataclass(frozen=True)
class _Ious:
    """The IoU of every answer, its category (a position) and image (a position); the weights of the images, (N, 1 + B).

    The first column of the weights is the data set as it is.
    """

    iou: npt.NDArray[np.float64]
    category: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int16]

    def score(self, blank: Score, columns: Sequence[int] | npt.NDArray[np.int64]) -> Score:
        """Return the number that `blank` names, over some categories."""
        sums, counts = (np.empty((len(columns), self.weights.shape[1])) for _ in range(2))
        for row, column in enumerate(columns):
            mine = self.category == column
            weights = self.weights[self.image[mine]].astype(np.float64)
            sums[row], counts[row] = self.iou[mine] @ weights, weights.sum(axis=0)
        if blank.metric == "mask_IoU":
            sums, counts = sums.sum(axis=0, keepdims=True), counts.sum(axis=0, keepdims=True)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 0.0)
        defined = (counts > 0).sum(axis=0)
        found = np.where(defined > 0, means.sum(axis=0) / np.maximum(defined, 1), np.nan)
        samples = found[1:] if len(found) > 1 else None
        number = replace(blank, n_instances=int(np.isin(self.category, columns).sum()), samples=samples)
        if np.isnan(found[0]):
            return replace(number, reason="no ground truth")
        return replace(number, value=float(found[0]))


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
