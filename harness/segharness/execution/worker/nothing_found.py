"""A first look at a model's predictions while the run goes on: one that finds nothing has mostly been set up wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from hotcoco import mask as rle

from segharness.errors import coded

_OVERLAP = 0.5
"""The IoU of boxes over which a detection finds an object, of whatever category."""

_LEAST = 8
"""With fewer objects, finding none says little."""


def nothing_found(predictions: pa.Table, images: pa.Table, truth: Mapping[str, Any]) -> str | None:
    """Return what is to be said of a model that finds no object of any category in its first images, or None.

    Args:
        predictions, images: the tables of the images' shard.
        truth: the ground truth of instances, in COCO's form.
    """
    sizes = dict(zip(*(images.column(name).to_pylist() for name in ("image_id", "height")), strict=True))
    if images.column("error").null_count < len(images):
        return None  # the errors say it already
    objects: dict[int, list[list[float]]] = {}
    for annotation in truth["annotations"]:
        box = annotation.get("bbox")
        if annotation["image_id"] in sizes and not annotation.get("iscrowd") and box is not None and len(box) == 4:
            objects.setdefault(annotation["image_id"], []).append([float(side) for side in box])
    count = sum(map(len, objects.values()))
    if count < _LEAST:
        return None
    detections: dict[int, list[list[float]]] = {}
    for image_id, box in zip(*(predictions.column(name).to_pylist() for name in ("image_id", "bbox")), strict=True):
        detections.setdefault(image_id, []).append(box)
    for image_id, boxes in detections.items():
        if objects.get(image_id) and (rle.iou(boxes, objects[image_id], [0] * len(objects[image_id])) > _OVERLAP).any():
            return None
    found = (
        f"none of its {len(predictions)} detections overlaps one, of any category, with an IoU over {_OVERLAP}"
        if len(predictions)
        else "it predicts nothing"
    )
    return coded(
        "T13",
        f"in its first {len(images)} clean images, which have {count} objects, {found}. Mostly that means: weights that "
        "were not loaded, channels in another order (images are RGB), values in another range (they are 0 to 255), or boxes "
        "in another form (x1 y1 x2 y2 in pixels of the image)",
    )
