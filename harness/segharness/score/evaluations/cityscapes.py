"""The evaluation ``cityscapes``: the benchmark's own instance-level AP, as its evaluation scripts define it.

It differs from COCO's AP in every detail: IoU must be strictly greater than .5, .55 ... .95; no limit on detections; ground
truths under 100 pixels are ignored; of several predictions on one ground truth the most confident is right and the others
are wrong; an unmatched prediction is dropped where the share of it that lies on void, groups and small ground truths is
greater than the threshold; the area under precision over recall is taken by trapezoids, without envelope, from recall 0 and
precision 1 on; classes without ground truth are left out of the mean. Crowds are Cityscapes' groups; void comes from the
data set's ground truth of the kind ``void``, and a data set without has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

from segharness.masks import to_rle
from segharness.score.evaluations import coco
from segharness.score.evaluations.engines import rles
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.suite import OVERALL, Split

METRICS = ("AP", "AP50")
THRESHOLDS = np.arange(0.5, 1.0, 0.05)
SMALLEST = 100
"""Pixels of the smallest ground truth that counts."""

_ELEMENTS = 1_000_000
"""How many weights are looked at together."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """What of one image decides its part in the curves: labels, sizes and overlaps.

    Attributes:
        label_gt, area_gt: int (G,), of all ground truth regions, instances and groups.
        group: bool (G,), whether a region is a group rather than one instance.
        label_dt, area_dt, score: (D,), of the predictions.
        inter: int (D, G), pixels in common.
        void: int (D,), the predictions' pixels on void.
    """

    label_gt: Ints
    area_gt: Ints
    group: npt.NDArray[np.bool_]
    label_dt: Ints
    area_dt: Ints
    score: Floats
    inter: Ints
    void: Ints


def score(request: ScoreRequest) -> list[Score]:
    """Return AP and AP50 overall, for every split and every category."""
    if reason := coco.unfit(request):
        return coco.nothing(request, METRICS, reason)
    content = request.ground_truth.content
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    frames = make_frames(request)
    weights = None if request.resamples is None else request.resamples.counts
    found = _curves(frames, [c["id"] for c in categories], weights)
    counts = coco.instances(content, categories)
    blank = Score("", None, n_images=len(content["images"]))
    scores: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        whole = replace(blank, split=split.name, n_instances=int(counts[chosen].sum()))
        scores += [_scored(found, replace(whole, metric=m), chosen) for m in METRICS]
    for name, column in columns.items():
        one = replace(blank, category=name, n_instances=int(counts[column]))
        scores += [_scored(found, replace(one, metric=m), np.array([column])) for m in METRICS]
    return scores


def average_precision(frames: Sequence[Frame], labels: Sequence[int]) -> Floats:
    """Return AP of every class and threshold, float64 (K, 10), NaN where a class has no ground truth."""
    return _curves(frames, labels, None)[:, :, 0]


def _scored(found: Floats, blank: Score, columns: npt.NDArray[np.int64]) -> Score:
    """Return the mean over classes and thresholds that `blank` names, from AP (K, 10, 1 + B)."""
    chosen = found[columns] if blank.metric == "AP" else found[columns, :1]
    by_class = chosen.mean(axis=1)
    defined = ~np.isnan(by_class)
    means = np.where(defined, by_class, 0.0).sum(axis=0) / np.maximum(defined.sum(axis=0), 1)
    means[~defined.any(axis=0)] = np.nan
    number = replace(blank, samples=means[1:] if len(means) > 1 else None)
    if np.isnan(means[0]):
        return replace(number, reason="no ground truth")
    return replace(number, value=float(means[0]))


# ------------------------------------------------------------------------------------------------------------- curves


def _curves(frames: Sequence[Frame], labels: Sequence[int], counts: npt.NDArray[np.int16] | None) -> Floats:
    """Return AP, (K, 10, 1 + B): of the frames as they are, then of the resamples, whose `counts` are (N, B)."""
    weights = np.ones((len(frames), 1), dtype=np.int16)
    if counts is not None:
        weights = np.concatenate([weights, counts], axis=1)
    present = [set(frame.label_gt.tolist()) | set(frame.label_dt.tolist()) for frame in frames]
    found = np.full((len(labels), len(THRESHOLDS), weights.shape[1]), np.nan)
    for row, label in enumerate(labels):
        at = [number for number, inside in enumerate(present) if label in inside]
        parts = [_of_class(frames[number], label) for number in at]
        visible = np.array([part.visible for part in parts], dtype=np.int64)
        truths = visible @ weights[at].astype(np.int64) if at else np.zeros(weights.shape[1], dtype=np.int64)
        for column, threshold in enumerate(THRESHOLDS):
            judged = _together([_judged(part, threshold) for part in parts], at)
            found[row, column] = _average_precision(judged, truths, weights)
    return found


@dataclass(frozen=True)
class _Judged:
    """The predictions of one class that count at one threshold: scores, which are right, and in which frames they are."""

    score: Floats
    right: npt.NDArray[np.bool_]
    frame: Ints


def _together(parts: Sequence[tuple[Floats, npt.NDArray[np.bool_]]], frames: Sequence[int]) -> _Judged:
    """Return the predictions of several frames, by falling score."""
    score = np.concatenate([np.zeros(0), *(s for s, _ in parts)])
    right = np.concatenate([np.zeros(0, dtype=bool), *(r for _, r in parts)])
    frame = np.repeat(np.array(frames, dtype=np.int64), [len(s) for s, _ in parts])
    order = np.argsort(-score, kind="stable")
    return _Judged(score[order], right[order], frame[order])


@dataclass(frozen=True)
class _Class:
    """One class in one frame.

    Attributes:
        iou: (D, G), with every region; a prediction that matches a group or a small one is dropped.
        large: bool (G,), the ground truths that count.
        score: (D,).
        excused: (D,), the share of each prediction on void, groups and small ground truths.
    """

    iou: Floats
    large: npt.NDArray[np.bool_]
    score: Floats
    excused: Floats

    @property
    def visible(self) -> int:
        return int(self.large.sum())


def _of_class(frame: Frame, label: int) -> _Class:
    truths, predictions = frame.label_gt == label, (frame.label_dt == label) & (frame.area_dt > 0)
    inter = frame.inter[predictions][:, truths]
    area_gt, group, area_dt = frame.area_gt[truths], frame.group[truths], frame.area_dt[predictions]
    union = area_gt[None] + area_dt[:, None] - inter
    small = area_gt < SMALLEST
    ignored = frame.void[predictions] + inter @ (group.astype(np.int64) + small)  # a small group counts twice there
    return _Class(
        inter / np.maximum(union, 1), ~group & ~small, frame.score[predictions], ignored / np.maximum(area_dt, 1)
    )


def _judged(part: _Class, threshold: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the scores of the predictions that count in one frame, and which of them are right."""
    meets = part.iou > threshold
    scores: list[float] = []
    right: list[bool] = []
    free = np.ones(len(part.score), dtype=bool)  # where ground truths overlap, a prediction still counts once
    for truth in np.flatnonzero(part.large):
        mine = sorted(part.score[meets[:, truth] & free], reverse=True)
        free &= ~meets[:, truth]
        scores += mine
        right += [position == 0 for position in range(len(mine))]
    wrong = part.score[~meets.any(axis=1) & (part.excused <= threshold)]
    return np.array([*scores, *wrong]), np.array([*right, *[False] * len(wrong)], dtype=bool)


def _average_precision(judged: _Judged, truths: Ints, weights: npt.NDArray[np.int16]) -> Floats:
    """Return AP of one class at one threshold, (R,), NaN without ground truth.

    Args:
        judged: the predictions.
        truths: (R,), how many ground truths count.
        weights: (N, R), how often each frame counts.
    """
    last = np.flatnonzero(np.diff(judged.score, append=-np.inf))  # of each group of equal scores
    area = np.empty(weights.shape[1])
    width = max(1, _ELEMENTS // max(len(judged.score), 1))
    for first in range(0, len(area), width):
        part = slice(first, first + width)
        counted = weights[:, part][judged.frame]
        total = np.cumsum(counted, axis=0, dtype=np.int32)[last]
        true = np.cumsum(counted * judged.right[:, None], axis=0, dtype=np.int32)[last]
        precision = np.where(total > 0, true / np.maximum(total, 1), 1.0)
        recall = true / np.maximum(truths[part], 1)
        edge = np.zeros((1, counted.shape[1]))
        precision, recall = np.concatenate([edge + 1, precision]), np.concatenate([edge, recall])
        around = np.concatenate([edge, recall, recall[-1:]])
        area[part] = (precision * (around[2:] - around[:-2]) / 2).sum(axis=0)
    return np.where(truths > 0, area, np.nan)


# ------------------------------------------------------------------------------------------------------------- frames


def make_frames(request: ScoreRequest) -> list[Frame]:
    """Return one frame for every image, by rising image id."""
    truths = request.ground_truth.prepared.get("frames")
    if truths is None:
        truths = request.ground_truth.prepared["frames"] = _truths(request.ground_truth)
    ids = request.predictions.column("image_id").to_numpy()
    masks = rles(request.ground_truth, request.predictions)
    labels = request.predictions.column("category_id").to_numpy().astype(np.int64)
    scores = request.predictions.column("score").to_numpy().astype(np.float64)
    rows: dict[int, list[int]] = {}
    for row, image_id in enumerate(ids.tolist()):
        rows.setdefault(image_id, []).append(row)
    return [_frame(truth, rows.get(id, []), masks, labels, scores) for id, truth in truths.items()]


@dataclass(frozen=True)
class _Truths:
    """The regions of one image, and its void."""

    masks: list[dict[str, Any]]
    label: Ints
    area: Ints
    group: npt.NDArray[np.bool_]
    void: dict[str, Any] | None


def _truths(ground_truth: GroundTruth) -> dict[int, _Truths]:
    content = ground_truth.content
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    regions: dict[int, list[Mapping[str, Any]]] = {id: [] for id in sorted(sizes)}
    for annotation in content["annotations"]:
        regions[annotation["image_id"]].append(annotation)
    void: dict[int, list[dict[str, Any]]] = {}
    for annotation in ground_truth.also.get("void", {}).get("annotations", ()):
        id = annotation["image_id"]
        void.setdefault(id, []).append(to_rle(annotation["segmentation"], *sizes[id]))
    return {
        id: _Truths(
            [to_rle(a["segmentation"], *sizes[id]) for a in found],
            np.array([a["category_id"] for a in found], dtype=np.int64),
            np.array([rle.area(to_rle(a["segmentation"], *sizes[id])) for a in found], dtype=np.int64),
            np.array([bool(a.get("iscrowd")) for a in found], dtype=bool),
            rle.merge(void[id]) if id in void else None,
        )
        for id, found in regions.items()
    }


def _frame(truth: _Truths, rows: Sequence[int], masks: Sequence[dict[str, Any]], labels: Ints, scores: Floats) -> Frame:
    mine = [masks[row] for row in rows]
    area = np.array([rle.area(mask) for mask in mine], dtype=np.int64)
    inter = _intersections(mine, area, truth.masks)
    void = _intersections(mine, area, [truth.void])[:, 0] if truth.void is not None else np.zeros(len(mine), np.int64)
    at = np.array(rows, dtype=np.int64)
    return Frame(truth.label, truth.area, truth.group, labels[at], area, scores[at], inter, void)


def _intersections(predictions: list[Any], area: Ints, truths: list[Any]) -> Ints:
    """Return pixels in common, (D, G): the overlap with a crowd is a share of the prediction's area."""
    if not predictions or not truths:
        return np.zeros((len(predictions), len(truths)), dtype=np.int64)
    share = rle.iou(predictions, truths, [1] * len(truths))
    return np.rint(np.asarray(share) * area[:, None]).astype(np.int64)
