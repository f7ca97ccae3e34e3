"""How far two sets of predictions of the same images agree, image by image: two machines, two batch sizes, two models.

With s and s' the scores of two matched instances, A = 2 sum min(s, s') / (sum s + sum s'), the sums in the denominator
over all instances of both sides. Instances match if they are of one category and their masks (boxes, for detectors) have
an IoU of at least .9; each matches once, the most confident first. Instances with scores under .05 are left out. A is 1
for equal predictions, also for none at all, and 0 for predictions that have nothing in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hotcoco import mask as rle

MIN_IOU = 0.9
MIN_SCORE = 0.05


@dataclass(frozen=True)
class _Instances:
    """The instances of one image, sorted by falling score."""

    scores: npt.NDArray[np.float64]
    categories: npt.NDArray[np.int64]
    shapes: Sequence[Any]
    is_mask: bool


def agreement(first: pa.Table, second: pa.Table, sizes: Mapping[int, tuple[int, int]]) -> dict[int, float]:
    """Return A of every image.

    Args:
        first, second: tables of `segharness.store.PREDICTIONS`, of the same images.
        sizes: the (height, width) of every image, by its id; images without predictions count too.

    Returns:
        A by the image's id, from 0 to 1.

    Raises:
        ValueError: one table has masks and the other one has none, or predictions have no scores.

    Example:
        >>> from segharness.store import PREDICTIONS, table
        >>> def detections(score, width):
        ...     columns = {"image_id": [1], "category_id": [1], "score": [score], "bbox": [[0.0, 0.0, width, 10.0]]}
        ...     return table(PREDICTIONS, {**columns, "mask": [None], "annotation_id": [None]})
        >>> found = agreement(detections(0.8, 10.0), detections(0.6, 9.5), {1: (20, 20), 2: (20, 20)})
        >>> round(found[1], 3), found[2]
        (0.857, 1.0)
    """
    sides = [_by_image(table, sizes) for table in (first, second)]
    return {image_id: _agreement(*(side.get(image_id) for side in sides)) for image_id in sizes}


def _by_image(predictions: pa.Table, sizes: Mapping[int, tuple[int, int]]) -> dict[int, _Instances]:
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in predictions.select(["image_id", "category_id", "score", "bbox", "mask"]).to_pylist():
        if row["score"] is None:
            raise ValueError("predictions without scores cannot be compared")
        if row["score"] >= MIN_SCORE:
            rows.setdefault(row["image_id"], []).append(row)
    instances = {}
    for image_id, members in rows.items():
        members.sort(key=lambda row: -row["score"])
        is_mask = members[0]["mask"] is not None
        size = list(sizes[image_id])
        instances[image_id] = _Instances(
            np.array([row["score"] for row in members]),
            np.array([row["category_id"] for row in members]),
            [{"size": size, "counts": row["mask"]} if is_mask else row["bbox"] for row in members],
            is_mask,
        )
    return instances


def _agreement(first: _Instances | None, second: _Instances | None) -> float:
    if first is None or second is None:
        return 1.0 if first is second else 0.0
    if first.is_mask != second.is_mask:
        raise ValueError("one side has masks, the other one has boxes only")
    common = 0.0
    for category in np.unique(first.categories):
        mine, theirs = (np.flatnonzero(side.categories == category) for side in (first, second))
        if not len(theirs):
            continue
        shapes = [[side.shapes[int(i)] for i in chosen] for side, chosen in ((first, mine), (second, theirs))]
        ious = _mask_ious(*shapes) if first.is_mask else _box_ious(*shapes)
        free = np.ones(len(theirs), dtype=bool)
        for row, position in enumerate(mine):
            candidates = np.where(free, ious[row], -1.0)
            best = int(candidates.argmax())
            if candidates[best] >= MIN_IOU:
                free[best] = False
                common += min(float(first.scores[position]), float(second.scores[theirs[best]]))
    return float(2 * common / (first.scores.sum() + second.scores.sum()))


def _mask_ious(first: Sequence[Any], second: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return the IoU of every pair; two empty masks are the same."""
    empty_first, empty_second = (np.asarray(rle.area(list(masks))) == 0 for masks in (first, second))
    ious = np.asarray(rle.iou(list(first), list(second), [0] * len(second)), dtype=np.float64)
    return np.where(empty_first[:, None] & empty_second[None], 1.0, ious)


def _box_ious(first: Sequence[Any], second: Sequence[Any]) -> npt.NDArray[np.float64]:
    a, b = (np.array(boxes, dtype=np.float64) for boxes in (first, second))  # x y w h
    lows = np.maximum(a[:, None, :2], b[None, :, :2])
    highs = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    shared = np.prod(np.clip(highs - lows, 0, None), axis=2)
    union = np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None] - shared
    same = (a[:, None] == b[None]).all(axis=2)  # also of boxes without an area
    return np.asarray(np.where(union > 0, shared / np.where(union > 0, union, 1), same))
