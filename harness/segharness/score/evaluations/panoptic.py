"""The evaluation ``panoptic``: PQ, SQ and RQ (Kirillov et al., "Panoptic Segmentation"), by hotcoco's panoptic engine.

A segment of the prediction and one of the ground truth match when they have the same category and their IoU is over .5,
void taken out of the union. PQ = sum of IoU / (TP + FP/2 + FN/2) for every category, and the mean over those that occur;
PQ = SQ x RQ in each. A predicted segment that lies by more than half on void and on crowds of its category is no FP.
The ground truth has one annotation a segment, crowds marked, and categories with ``isthing``; what none covers is void.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hotcoco
import numpy as np
from hotcoco import mask as rle
from hotcoco import panoptic

from segharness.masks import to_rle
from segharness.score.evaluations import coco
from segharness.score.evaluations.engines import results
from segharness.score.request import Score, ScoreRequest

KINDS = ("PQ", "SQ", "RQ")
Segments = dict[int, list[dict[str, Any]]]
"""The predicted segments of every image, as COCO results."""
METRICS = (*KINDS, *(f"{kind}_{part}" for part in ("th", "st") for kind in KINDS))


def score(request: ScoreRequest) -> list[Score]:
    """Return PQ, SQ and RQ overall, for things and stuff, for every split and category.

    Predicted segments must not overlap: which of two would keep a pixel is for the model to say.
    """
    if reason := coco.unfit(request):
        return coco.nothing(request, METRICS, reason)
    segments = _segments(request)
    if reason := _overlap(segments):
        return coco.nothing(request, METRICS, reason)
    content = request.ground_truth.content
    found = _per_class(request, segments)
    things = {c["name"] for c in content["categories"] if c.get("isthing")}
    categories = sorted(content["categories"], key=lambda c: c["id"])
    counts = dict(zip((c["name"] for c in categories), coco.instances(content, categories).tolist(), strict=True))
    blank = Score("", None, n_images=len(content["images"]))
    scores: list[Score] = []
    every = [c["name"] for c in categories]
    groups = {"": every, "_th": [n for n in every if n in things], "_st": [n for n in every if n not in things]}
    for suffix, names in groups.items():
        some = replace(blank, n_instances=sum(counts[name] for name in names))
        scores += [_mean(found, replace(some, metric=f"{kind}{suffix}"), kind, names) for kind in KINDS]
    columns = {name: position for position, name in enumerate(every)}
    for split in request.splits:
        names = [every[column] for column in coco.split_columns(split, columns)]
        some = replace(blank, split=split.name, n_instances=sum(counts[name] for name in names))
        scores += [_mean(found, replace(some, metric=kind), kind, names) for kind in KINDS]
    for name in every:
        one = replace(blank, category=name, n_instances=counts[name])
        scores += [_mean(found, replace(one, metric=kind), kind, [name]) for kind in KINDS]
    return scores


def _mean(found: Mapping[str, Mapping[str, float]], blank: Score, kind: str, names: list[str]) -> Score:
    values = [found[name][kind] for name in names if name in found]
    if not values:
        return replace(blank, reason="no segment of these categories in ground truth or predictions")
    return replace(blank, value=float(np.mean(values)))


def _per_class(request: ScoreRequest, segments: Segments) -> Mapping[str, Mapping[str, float]]:
    """Return PQ, SQ and RQ of every category that occurs, by name."""
    truth = request.ground_truth.prepared.get("panoptic")
    if truth is None:
        truth = request.ground_truth.prepared["panoptic"] = hotcoco.COCO(_truth(request.ground_truth.content))
    every = [segment for found in segments.values() for segment in found]
    evaluation = panoptic.PanopticEval(truth, truth.load_res(every))
    evaluation.evaluate()
    names = {c["id"]: c["name"] for c in request.ground_truth.content["categories"]}
    return {
        names[int(id)]: {kind: found[kind.lower()] for kind in KINDS}
        for id, found in evaluation.results()["per_class"].items()
        if found["tp"] or found["fp"] or found["fn"]
    }


def _segments(request: ScoreRequest) -> Segments:
    """Return the predicted segments of every image; a mask without a pixel is none."""
    found: dict[int, list[dict[str, Any]]] = {}
    for result in results(request.ground_truth, request.predictions, "segm"):
        if rle.area(result["segmentation"]):
            found.setdefault(result["image_id"], []).append(result)
    return found


def _truth(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ground truth in which an image has one crowd a category, and areas are those of the masks.

    The engine lets only the last of several crowds excuse a segment, and believes the areas that it is given.
    """
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    crowds: dict[tuple[int, int], list[Any]] = {}
    segments: list[dict[str, Any]] = []
    for annotation in content["annotations"]:
        mask = to_rle(annotation["segmentation"], *sizes[annotation["image_id"]])
        if annotation.get("iscrowd"):
            crowds.setdefault((annotation["image_id"], annotation["category_id"]), []).append(mask)
        else:
            segments.append({**annotation, "segmentation": mask, "area": float(rle.area(mask))})
    for (image_id, category_id), masks in crowds.items():
        mask = dict(rle.merge(masks))
        segments.append(
            {
                "image_id": image_id,
                "category_id": category_id,
                "iscrowd": 1,
                "segmentation": mask,
                "area": float(rle.area(mask)),
                "bbox": rle.to_bbox(mask).tolist(),
            }
        )
    return {**content, "annotations": [{**segment, "id": id} for id, segment in enumerate(segments, 1)]}


def _overlap(segments: Segments) -> str | None:
    """Return which image has predicted segments that overlap, or None."""
    for image_id, found in segments.items():
        masks = [segment["segmentation"] for segment in found]
        if int(np.sum(rle.area(masks))) != int(rle.area(rle.merge(masks))):
            return f"the model's segments overlap, first in image {image_id}: this evaluation needs one segment a pixel"
    return None
