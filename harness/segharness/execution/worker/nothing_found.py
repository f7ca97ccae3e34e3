"""A first look at a model's predictions while the run goes on: one that finds nothing has mostly been set up wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from segharness.data.found_objects import OVERLAP, found_objects
from segharness.errors import coded


def nothing_found(predictions: pa.Table, images: pa.Table, truth: Mapping[str, Any]) -> str | None:
    """Return what is to be said of a model that finds no object of any category in its first images, or None.

    Args:
        predictions, images: the tables of the images' shard.
        truth: the ground truth of instances, in COCO's form.
    """
    if images.column("error").null_count < len(images):
        return None  # the errors say it already
    boxes = np.array(predictions.column("bbox").to_pylist(), dtype=np.float64).reshape(-1, 4)
    rows = predictions.column("image_id").to_pylist()
    seen = found_objects(truth, images.column("image_id").to_pylist(), rows, boxes)
    if not seen.is_nothing:
        return None
    found = (
        f"none of its {len(predictions)} detections overlaps one, of any category, with an IoU over {OVERLAP}"
        if len(predictions)
        else "it predicts nothing"
    )
    return coded(
        "T13",
        f"in its first {len(images)} clean images, which have {seen.objects} objects, {found}. Mostly that means: weights "
        "that were not loaded, channels in another order (images are RGB), values in another range (they are 0 to 255), or "
        "boxes in another form (x1 y1 x2 y2 in pixels of the image)",
    )
