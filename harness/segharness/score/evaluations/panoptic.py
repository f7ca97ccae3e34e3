"""The evaluation ``panoptic``: PQ, SQ and RQ (Kirillov et al., "Panoptic Segmentation"), by hotcoco's panoptic engine.

A predicted segment matches a ground truth segment if they have the same category and an IoU over .5; the union leaves
out void. In every category PQ = sum of IoU / (TP + FP/2 + FN/2) = SQ x RQ. The overall values are means over the
categories that occur. A predicted segment is no FP if more than half of it lies on void and on crowds of its category.
A model that has no label of any thing, or of any stuff, earned no number there: it is null, and so is what is averaged
over it. The ground truth has one annotation for each segment, with crowds marked, and categories with ``isthing``;
pixels without annotation are void.
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
from segharness.score.evaluations.coco_engines import scored_keys
from segharness.score.evaluations.segments import Segments, parts_of, scorable_segments, unearned
from segharness.score.request import Score, ScoreRequest

KINDS = ("PQ", "SQ", "RQ")
METRICS = (*KINDS, *(f"{kind}_{part}" for part in ("th", "st") for kind in KINDS))


def score(request: ScoreRequest) -> list[Score]:
    """Return PQ, SQ and RQ over all categories, over things and stuff, over every split and of every category.

    If predicted segments overlap, there is only a reason: the model has to decide which segment a pixel belongs to.
    """
    segments, reason = scorable_segments(request)
    if reason is not None:
        return coco.null_scores(request, METRICS, reason)
    content = request.ground_truth.content
    qualities = _per_class(request, segments)
    things = set(parts_of(content["categories"])["thing"])
    categories = sorted(content["categories"], key=lambda c: c["id"])
    counts = dict(zip((c["name"] for c in categories), coco.instances(content, categories).tolist(), strict=True))
    blank = Score("", None, n_images=len(content["images"]))
    scores: list[Score] = []
    category_names = [c["name"] for c in categories]
    groups = {
        "": category_names,
        "_th": [n for n in category_names if n in things],
        "_st": [n for n in category_names if n not in things],
    }
    lacking = unearned(request, segments)
    for suffix, names in groups.items():
        group_blank = replace(blank, n_instances=sum(counts[name] for name in names))
        scores += [
            _mean(qualities, replace(group_blank, metric=f"{kind}{suffix}"), kind, names, lacking) for kind in KINDS
        ]
    columns = {name: position for position, name in enumerate(category_names)}
    for split in request.splits:
        names = [category_names[column] for column in coco.split_columns(split, columns)]
        group_blank = replace(blank, split=split.name, n_instances=sum(counts[name] for name in names))
        scores += [_mean(qualities, replace(group_blank, metric=kind), kind, names, lacking) for kind in KINDS]
    for name in category_names:
        category_blank = replace(blank, category=name, n_instances=counts[name])
        scores += [_mean(qualities, replace(category_blank, metric=kind), kind, [name], lacking) for kind in KINDS]
    return scores


def _mean(
    qualities: Mapping[str, Mapping[str, float]],
    blank: Score,
    kind: str,
    names: list[str],
    lacking: Mapping[str, str],
) -> Score:
    if reason := next((lacking[name] for name in names if name in lacking and name in qualities), None):
        return replace(blank, reason=reason)
    values = [qualities[name][kind] for name in names if name in qualities]
    if not values:
        return replace(blank, reason="no segment of these categories in ground truth or predictions")
    return replace(blank, value=float(np.mean(values)))


def _per_class(request: ScoreRequest, segments: Segments) -> Mapping[str, Mapping[str, float]]:
    """Return PQ, SQ and RQ of every category that occurs, by the category's name."""
    truth = request.ground_truth.prepared.get("panoptic")
    if truth is None:
        truth = request.ground_truth.prepared["panoptic"] = hotcoco.COCO(_truth(request.ground_truth.content))
    result_list = [segment for image_segments in segments.values() for segment in image_segments]
    evaluation = panoptic.PanopticEval(truth, truth.load_res(result_list))
    evaluation.evaluate()
    names = {c["id"]: c["name"] for c in request.ground_truth.content["categories"]}
    return {
        names[int(id)]: {kind: numbers[kind.lower()] for kind in KINDS}
        for id, numbers in evaluation.results()["per_class"].items()
        if numbers["tp"] or numbers["fp"] or numbers["fn"]
    }


def _truth(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ground truth with at most one crowd for each image and category, and with the areas of the masks.

    Of several crowds, the engine uses only the last one to excuse a segment. It does not check annotations' areas.
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
    numbered = [{**segment, "id": id} for id, segment in enumerate(segments, 1)]
    return scored_keys({**content, "annotations": numbered})
