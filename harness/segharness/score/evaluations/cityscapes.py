"""The evaluation ``cityscapes``: the benchmark's own instance-level AP, as its evaluation scripts define it.

It differs from COCO's AP in every detail:

- IoU must be strictly greater than the threshold (.5, .55 ... .95).
- The number of detections is not limited.
- Ground truths under 100 pixels are ignored.
- If several predictions match one ground truth, the most confident one is right and the others are wrong.
- An unmatched prediction is dropped if the share of it on void, groups and small ground truths exceeds the threshold.
- The area under precision over recall is summed by trapezoids, without envelope, starting at recall 0 and precision 1.
- The mean leaves out classes without ground truth.

COCO's crowds are Cityscapes' groups. Void comes from the data set's ground truth of the kind ``void``; a data set
without that kind has no void.
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
from segharness.score.evaluations.coco_engines import rles
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.suite import OVERALL, Split

METRICS = ("AP", "AP50")
THRESHOLDS = np.arange(0.5, 1.0, 0.05)
SMALLEST = 100
"""The area, in pixels, of the smallest ground truth that counts."""

_ELEMENTS = 1_000_000
"""The number of weights gathered at a time, to limit memory."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """One image, reduced to what precision and recall depend on: labels, areas, scores and overlaps.

    Attributes:
        label_gt, area_gt: int (G,), category id and pixels of the ground truth regions: instances and groups.
        group: bool (G,), whether a region is a group instead of one instance.
        label_dt, area_dt: int (D,), category id and pixels of the predictions.
        score: float (D,), the confidence of the predictions.
        inter: int (D, G), the pixels that a prediction and a region have in common.
        void: int (D,), the pixels of each prediction on void.
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
    """Return AP and AP50 over all categories, over every split and of every category."""
    if reason := coco.reason_unfit(request):
        return coco.null_scores(request, METRICS, reason)
    content = request.ground_truth.content
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    frames = make_frames(request)
    weights = None if request.resamples is None else request.resamples.counts
    precisions = _average_precisions(frames, [c["id"] for c in categories], weights)
    counts = coco.instances(content, categories)
    blank = Score("", None, n_images=len(content["images"]))
    scores: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        split_blank = replace(blank, split=split.name, n_instances=int(counts[chosen].sum()))
        scores += [_mean_score(precisions, replace(split_blank, metric=metric), chosen) for metric in METRICS]
    for name, column in columns.items():
        category_blank = replace(blank, category=name, n_instances=int(counts[column]))
        scores += [
            _mean_score(precisions, replace(category_blank, metric=metric), np.array([column])) for metric in METRICS
        ]
    return scores


def average_precision(frames: Sequence[Frame], labels: Sequence[int]) -> Floats:
    """Return AP by class and IoU threshold, float64 (K, 10); NaN for a class without ground truth."""
    return _average_precisions(frames, labels, None)[:, :, 0]


def _mean_score(precisions: Floats, blank: Score, columns: npt.NDArray[np.int64]) -> Score:
    """Return `blank` with its metric's value: the mean of AP, (K, 10, 1 + B), over the classes in `columns`."""
    chosen = precisions[columns] if blank.metric == "AP" else precisions[columns, :1]
    by_class = chosen.mean(axis=1)
    defined = ~np.isnan(by_class)
    means = np.where(defined, by_class, 0.0).sum(axis=0) / np.maximum(defined.sum(axis=0), 1)
    means[~defined.any(axis=0)] = np.nan
    number = replace(blank, samples=means[1:] if len(means) > 1 else None)
    if np.isnan(means[0]):
        return replace(number, reason="no ground truth")
    return replace(number, value=float(means[0]))


# ------------------------------------------------------------------------------------------------------------- curves


def _average_precisions(frames: Sequence[Frame], labels: Sequence[int], counts: npt.NDArray[np.int16] | None) -> Floats:
    """Return AP, (K, 10, 1 + B): on the frames themselves, then on the resamples with `counts`, (N, B)."""
    weights = np.ones((len(frames), 1), dtype=np.int16)
    if counts is not None:
        weights = np.concatenate([weights, counts], axis=1)
    present = [set(frame.label_gt.tolist()) | set(frame.label_dt.tolist()) for frame in frames]
    precisions = np.full((len(labels), len(THRESHOLDS), weights.shape[1]), np.nan)
    for row, label in enumerate(labels):
        frame_numbers = [number for number, labels_inside in enumerate(present) if label in labels_inside]
        frame_classes = [_class_in_frame(frames[number], label) for number in frame_numbers]
        visible = np.array([frame_class.visible for frame_class in frame_classes], dtype=np.int64)
        truths = (
            visible @ weights[frame_numbers].astype(np.int64)
            if frame_numbers
            else np.zeros(weights.shape[1], dtype=np.int64)
        )
        for column, threshold in enumerate(THRESHOLDS):
            judged = _merge([_judge(frame_class, threshold) for frame_class in frame_classes], frame_numbers)
            precisions[row, column] = _average_precision(judged, truths, weights)
    return precisions


@dataclass(frozen=True)
class _Judged:
    """The predictions of one class that count at one threshold: their scores, whether they are right, their frames."""

    score: Floats
    right: npt.NDArray[np.bool_]
    frame: Ints


def _merge(parts: Sequence[tuple[Floats, npt.NDArray[np.bool_]]], frames: Sequence[int]) -> _Judged:
    """Return the predictions of several frames, sorted by falling score."""
    score = np.concatenate([np.zeros(0), *(scores for scores, _ in parts)])
    right = np.concatenate([np.zeros(0, dtype=bool), *(hits for _, hits in parts)])
    frame = np.repeat(np.array(frames, dtype=np.int64), [len(scores) for scores, _ in parts])
    order = np.argsort(-score, kind="stable")
    return _Judged(score[order], right[order], frame[order])


@dataclass(frozen=True)
class _Class:
    """One class in one frame.

    Attributes:
        iou: (D, G), the IoU of predictions and regions. A prediction that matches a group or a small region is dropped.
        large: bool (G,), whether a region is a ground truth that counts.
        score: (D,), the confidence of the predictions.
        excused: (D,), the share of each prediction on void, groups and small ground truths.
    """

    iou: Floats
    large: npt.NDArray[np.bool_]
    score: Floats
    excused: Floats

    @property
    def visible(self) -> int:
        """The number of ground truths that count."""
        return int(self.large.sum())


def _class_in_frame(frame: Frame, label: int) -> _Class:
    truths, predictions = frame.label_gt == label, (frame.label_dt == label) & (frame.area_dt > 0)
    inter = frame.inter[predictions][:, truths]
    area_gt, group, area_dt = frame.area_gt[truths], frame.group[truths], frame.area_dt[predictions]
    union = area_gt[None] + area_dt[:, None] - inter
    small = area_gt < SMALLEST
    ignored = frame.void[predictions] + inter @ (
        group.astype(np.int64) + small
    )  # the benchmark counts a small group twice, too
    return _Class(
        inter / np.maximum(union, 1), ~group & ~small, frame.score[predictions], ignored / np.maximum(area_dt, 1)
    )


def _judge(frame_class: _Class, threshold: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the scores of the predictions that count in one frame, and which of them are right."""
    meets = frame_class.iou > threshold
    scores: list[float] = []
    right: list[bool] = []
    free = np.ones(
        len(frame_class.score), dtype=bool
    )  # a prediction counts once, even if it matches several overlapping ground truths
    for truth in np.flatnonzero(frame_class.large):
        matched_scores = sorted(frame_class.score[meets[:, truth] & free], reverse=True)
        free &= ~meets[:, truth]
        scores += matched_scores
        right += [position == 0 for position in range(len(matched_scores))]
    wrong = frame_class.score[~meets.any(axis=1) & (frame_class.excused <= threshold)]
    return np.array([*scores, *wrong]), np.array([*right, *[False] * len(wrong)], dtype=bool)


def _average_precision(judged: _Judged, truths: Ints, weights: npt.NDArray[np.int16]) -> Floats:
    """Return AP of one class at one threshold, float64 (R,), NaN without ground truth.

    Args:
        judged: the predictions that count.
        truths: (R,), the number of ground truths that count in each resample.
        weights: (N, R), how often each resample holds each frame.
    """
    last = np.flatnonzero(np.diff(judged.score, append=-np.inf))  # the last one of every group of equal scores
    area = np.empty(weights.shape[1])
    width = max(1, _ELEMENTS // max(len(judged.score), 1))
    for first in range(0, len(area), width):
        drawn = slice(first, first + width)
        counted = weights[:, drawn][judged.frame]
        total = np.cumsum(counted, axis=0, dtype=np.int32)[last]
        true_positives = np.cumsum(counted * judged.right[:, None], axis=0, dtype=np.int32)[last]
        precision = np.where(total > 0, true_positives / np.maximum(total, 1), 1.0)
        recall = true_positives / np.maximum(truths[drawn], 1)
        edge = np.zeros((1, counted.shape[1]))
        precision, recall = np.concatenate([edge + 1, precision]), np.concatenate([edge, recall])
        around = np.concatenate([edge, recall, recall[-1:]])
        area[drawn] = (precision * (around[2:] - around[:-2]) / 2).sum(axis=0)
    return np.where(truths > 0, area, np.nan)


# ------------------------------------------------------------------------------------------------------------- frames


def make_frames(request: ScoreRequest) -> list[Frame]:
    """Return a frame for every image, by rising image id."""
    truths = request.ground_truth.prepared.get("frames")
    if truths is None:
        truths = request.ground_truth.prepared["frames"] = _truths_by_image(request.ground_truth)
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
    """The ground truth regions of one image, and its void as one mask."""

    masks: list[dict[str, Any]]
    label: Ints
    area: Ints
    group: npt.NDArray[np.bool_]
    void: dict[str, Any] | None


def _truths_by_image(ground_truth: GroundTruth) -> dict[int, _Truths]:
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
            [to_rle(a["segmentation"], *sizes[id]) for a in annotations],
            np.array([a["category_id"] for a in annotations], dtype=np.int64),
            np.array([rle.area(to_rle(a["segmentation"], *sizes[id])) for a in annotations], dtype=np.int64),
            np.array([bool(a.get("iscrowd")) for a in annotations], dtype=bool),
            rle.merge(void[id]) if id in void else None,
        )
        for id, annotations in regions.items()
    }


def _frame(truth: _Truths, rows: Sequence[int], masks: Sequence[dict[str, Any]], labels: Ints, scores: Floats) -> Frame:
    frame_masks = [masks[row] for row in rows]
    area = np.array([rle.area(mask) for mask in frame_masks], dtype=np.int64)
    inter = _intersections(frame_masks, area, truth.masks)
    void = (
        _intersections(frame_masks, area, [truth.void])[:, 0]
        if truth.void is not None
        else np.zeros(len(frame_masks), np.int64)
    )
    positions = np.array(rows, dtype=np.int64)
    return Frame(truth.label, truth.area, truth.group, labels[positions], area, scores[positions], inter, void)


def _intersections(predictions: list[Any], area: Ints, truths: list[Any]) -> Ints:
    """Return the pixels in common, (D, G). rle.iou with crowds gives them as shares of the predictions' areas."""
    if not predictions or not truths:
        return np.zeros((len(predictions), len(truths)), dtype=np.int64)
    share = rle.iou(predictions, truths, [1] * len(truths))
    return np.rint(np.asarray(share) * area[:, None]).astype(np.int64)
