"""What the evaluations of panoptic segments share: their form, whether they overlap, and parts that a model lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hotcoco import mask as rle

from segharness.score.evaluations import coco
from segharness.score.evaluations.coco_engines import results
from segharness.score.request import ScoreRequest

Segments = dict[int, list[dict[str, Any]]]
"""The predicted segments of every image, as COCO results."""


def _predicted_segments(request: ScoreRequest) -> Segments:
    """Return the predicted segments of every image, without empty masks."""
    segments: Segments = {}
    for result in results(request.ground_truth, request.predictions, "segm"):
        if rle.area(result["segmentation"]):
            segments.setdefault(result["image_id"], []).append(result)
    return segments


def scorable_segments(request: ScoreRequest) -> tuple[Segments, str | None]:
    """Return the predicted segments, and why they cannot be scored: one segment a pixel, with a mask, from no prompt."""
    if reason := coco.reason_unfit(request):
        return {}, reason
    segments = _predicted_segments(request)
    return segments, _overlap(segments)


def _overlap(segments: Segments) -> str | None:
    """Return a reason that names the first image with overlapping predicted segments, or None if there is none."""
    for image_id, image_segments in segments.items():
        masks = [segment["segmentation"] for segment in image_segments]
        if int(np.sum(rle.area(masks))) != int(rle.area(rle.merge(masks))):
            return f"the model's segments overlap, first in image {image_id}: this evaluation needs one segment a pixel"
    return None


def parts_of(categories: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the names of the categories that are things, and of those that are stuff."""
    parts: dict[str, list[str]] = {"thing": [], "stuff": []}
    for category in categories:
        parts["thing" if category.get("isthing") else "stuff"].append(category["name"])
    return parts


def unearned(request: ScoreRequest, segments: Segments) -> dict[str, str]:
    """Return why categories have no quality: the model has no label of any category of their part.

    Of predictions that were made elsewhere, the labels of the model are not known; theirs are those that occur.
    """
    categories = request.ground_truth.content["categories"]
    names = {c["id"]: c["name"] for c in categories}
    if request.predictable is not None:
        known = {names[id] for id in request.predictable if id in names}
        reason = "the model has no label of a {part} category, or never predicts one"
    else:
        known = {names[s["category_id"]] for image_segments in segments.values() for s in image_segments}
        reason = "no segment of a {part} category is predicted: the predictions look like those of instances alone"
    if not known:
        return {}
    return {
        name: reason.format(part=part)
        for part, part_names in parts_of(categories).items()
        if not known.intersection(part_names)
        for name in part_names
    }
