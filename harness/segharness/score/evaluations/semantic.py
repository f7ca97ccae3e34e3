"""The evaluation ``semantic``: IoU of classes, pixel by pixel, over all images together, and their mean.

IoU = TP / (TP + FP + FN) in pixels. Pixels without ground truth are void and count for nothing; those without a
prediction are misses. The mean is over the categories that occur in ground truth or predictions.

iIoU is Cityscapes' instance-level IoU, for categories that have an ``average_area`` (pixels, float) in the ground truth:
each instance's TP and FN count ``average_area`` / its own area, FP count as they are, and groups have no TP or FN.

The model's segments must not overlap, and a model without things, or without stuff, earned no number of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.masks import to_pixels
from segharness.score.evaluations import coco
from segharness.score.evaluations.segments import Segments, scorable_segments, unearned
from segharness.score.request import Score, ScoreRequest
from segharness.suite import OVERALL, Split

METRICS = ("mIoU", "iIoU")

Floats = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]


def score(request: ScoreRequest) -> list[Score]:
    """Return mIoU and iIoU over all categories, over every split and of every category."""
    segments, reason = scorable_segments(request)
    if reason is not None:
        return coco.null_scores(request, METRICS, reason)
    content = request.ground_truth.content
    categories = sorted(content["categories"], key=lambda c: c["id"])
    counts = count_pixels(content, categories, segments)
    weights = np.ones((len(content["images"]), 1))
    if request.resamples is not None:
        weights = np.concatenate([weights, request.resamples.counts.astype(np.float64)], axis=1)
    by_metric = {"mIoU": counts.iou(weights), "iIoU": counts.instance_iou(weights)}
    has_area = np.array([c.get("average_area") is not None for c in categories], dtype=bool)
    lacking = unearned(request, segments)
    names = [c["name"] for c in categories]
    numbers = coco.instances(content, categories)
    blank = Score("", None, n_images=len(content["images"]))
    columns = {name: position for position, name in enumerate(names)}
    scores: list[Score] = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = coco.split_columns(split, columns)
        split_blank = replace(blank, split=split.name, n_instances=int(numbers[chosen].sum()))
        for metric, values in by_metric.items():
            used = chosen[has_area[chosen]] if metric == "iIoU" else chosen
            scores.append(_mean(replace(split_blank, metric=metric), values, used, names, lacking))
    for name, column in columns.items():
        category_blank = replace(blank, category=name, n_instances=int(numbers[column]))
        for metric, values in by_metric.items():
            used = np.array([column])[has_area[[column]]] if metric == "iIoU" else np.array([column])
            scores.append(_mean(replace(category_blank, metric=metric), values, used, names, lacking))
    return scores


def _mean(blank: Score, values: Floats, columns: Columns, names: Sequence[str], lacking: Mapping[str, str]) -> Score:
    """Return `blank` with the mean over `columns` of values, float64 (K, 1 + B), NaN where they are undefined."""
    if not len(columns):
        text = "no category here has an average area" if blank.metric == "iIoU" else "no category"
        return replace(blank, reason=text)
    if reason := next((lacking[names[column]] for column in columns if names[column] in lacking), None):
        return replace(blank, reason=reason)
    chosen = values[columns]
    defined = ~np.isnan(chosen)
    means = np.where(defined, chosen, 0.0).sum(axis=0) / np.maximum(defined.sum(axis=0), 1)
    means[~defined.any(axis=0)] = np.nan
    if np.isnan(means[0]):
        return replace(blank, reason="no pixel of these categories in ground truth or predictions")
    return replace(blank, value=float(means[0]), samples=means[1:] if len(means) > 1 else None)


@dataclass(frozen=True)
class PixelCounts:
    """Pixels by image and category, float64 (N, K), from which IoUs are sums.

    Attributes:
        right, wrong, missed: true positives, false positives, false negatives.
        right_weighted, missed_weighted: the same of single instances, each times average area / own area.
    """

    right: Floats
    wrong: Floats
    missed: Floats
    right_weighted: Floats
    missed_weighted: Floats

    def iou(self, weights: Floats) -> Floats:
        """Return IoU, (K, R), of the images weighted by `weights`, (N, R); NaN for categories that do not occur."""
        return _ratio(self.right.T @ weights, self.wrong.T @ weights, self.missed.T @ weights)

    def instance_iou(self, weights: Floats) -> Floats:
        """Return iIoU, as `iou` otherwise."""
        return _ratio(self.right_weighted.T @ weights, self.wrong.T @ weights, self.missed_weighted.T @ weights)


def _ratio(right: Floats, wrong: Floats, missed: Floats) -> Floats:
    total = right + wrong + missed
    return np.where(total > 0, right / np.where(total > 0, total, 1.0), np.nan)


def count_pixels(
    content: Mapping[str, Any], categories: Sequence[Mapping[str, Any]], segments: Segments
) -> PixelCounts:
    """Count the pixels of every image.

    Args:
        content: the ground truth: an annotation a segment; pixels without one are void.
        categories: its categories, in the order of the counts' columns.
        segments: the predicted segments, which do not overlap.
    """
    position = {c["id"]: column for column, c in enumerate(categories)}
    areas = [c.get("average_area") for c in categories]
    truths: dict[int, list[Mapping[str, Any]]] = {}
    for annotation in content["annotations"]:
        truths.setdefault(annotation["image_id"], []).append(annotation)
    size = len(categories)
    counts = np.zeros((5, len(content["images"]), size))
    for row, image in enumerate(sorted(content["images"], key=lambda image: image["id"])):
        shape = (image["height"], image["width"])
        truth, guess = (np.full(shape, size, dtype=np.int64) for _ in range(2))
        for segment in segments.get(image["id"], ()):
            guess[to_pixels(segment["segmentation"], *shape).astype(bool)] = position[segment["category_id"]]
        for annotation in truths.get(image["id"], ()):
            column = position[annotation["category_id"]]
            mask = to_pixels(annotation["segmentation"], *shape).astype(bool)
            truth[mask] = column
            average = areas[column]
            if average is not None and not annotation.get("iscrowd") and (area := int(mask.sum())):
                found = int((guess[mask] == column).sum())
                counts[3, row, column] += found * average / area
                counts[4, row, column] += (area - found) * average / area
        confusion = np.bincount((truth * (size + 1) + guess).ravel(), minlength=(size + 1) ** 2)
        confusion = confusion.reshape(size + 1, size + 1)[:size]  # without the pixels that are void
        right = np.diagonal(confusion)
        counts[0, row] = right
        counts[1, row] = confusion[:, :size].sum(axis=0) - right
        counts[2, row] = confusion.sum(axis=1) - right
    return PixelCounts(*counts)
