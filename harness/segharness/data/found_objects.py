"""What detections find of a ground truth, seen before any scoring: which objects they lie on, which categories they lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

OVERLAP = 0.5
"""The IoU of boxes over which a detection finds an object."""

LEAST_OBJECTS = 8
"""Of fewer objects, finding none says little."""

_LEAST_SHARE = 0.01
"""Categories with a smaller share of the objects are not worth a line."""


@dataclass(frozen=True)
class FoundObjects:
    """Which objects detections find, of whatever category.

    Attributes:
        objects: how many objects there are in the images that were looked at; crowds are none.
        pairs: the object's category id and the detection's row, for each object that is found.
    """

    objects: int
    pairs: Sequence[tuple[int, int]]

    @property
    def is_nothing(self) -> bool:
        """Whether there are enough objects to say that none of them is found."""
        return not self.pairs and self.objects >= LEAST_OBJECTS


def found_objects(
    truth: Mapping[str, Any], image_ids: Collection[int], rows: Sequence[int], boxes: npt.NDArray[np.float64]
) -> FoundObjects:
    """Return which objects detections lie on, with an IoU of boxes over `OVERLAP`.

    Args:
        truth: the ground truth of instances, in COCO's form.
        image_ids: the images that are looked at.
        rows: the image id of each of N detections.
        boxes: theirs: x, y, width, height in pixels, float64 (N, 4).

    Example:
        >>> truth = {"annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9]}]}
        >>> found_objects(truth, [1], [1, 1], np.array([[50.0, 50, 9, 9], [1, 0, 9, 9]])).pairs
        [(3, 1)]
    """
    objects_of: dict[int, list[tuple[int, list[float]]]] = {image_id: [] for image_id in image_ids}
    for annotation in truth["annotations"]:
        box = annotation.get("bbox")
        if annotation["image_id"] in objects_of and not annotation.get("iscrowd") and box is not None and len(box) == 4:
            objects_of[annotation["image_id"]].append((annotation["category_id"], [float(side) for side in box]))
    rows_of: dict[int, list[int]] = {}
    for row, image_id in enumerate(rows):
        rows_of.setdefault(image_id, []).append(row)
    pairs: list[tuple[int, int]] = []
    for image_id, objects in objects_of.items():
        if objects and (here := rows_of.get(image_id)):
            ious = np.asarray(rle.iou(boxes[here].tolist(), [box for _, box in objects], [0] * len(objects)))
            best = ious.argmax(axis=0)
            found = ious[best, np.arange(len(objects))] > OVERLAP
            pairs += [(objects[o][0], here[best[o]]) for o in np.flatnonzero(found).tolist()]
    return FoundObjects(sum(map(len, objects_of.values())), pairs)


def lacking_categories(truth: Mapping[str, Any], category_ids: Collection[int]) -> str | None:
    """Return which categories with objects are not among some, and their share of the objects; None if it is no matter.

    Example:
        >>> truth = {"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]}
        >>> truth["annotations"] = [{"category_id": 1}, {"category_id": 1}, {"category_id": 2}]
        >>> lacking_categories(truth, [1])
        '`dog`: 1 of 2 categories with ground truth, 33% of the instances'
    """
    counts = Counter(a["category_id"] for a in truth["annotations"] if not a.get("iscrowd"))
    names = {category["id"]: category["name"] for category in truth["categories"]}
    lacking = [id for id in counts if id in names and id not in category_ids]
    share = sum(counts[id] for id in lacking) / max(1, sum(counts.values()))
    if not lacking or share < _LEAST_SHARE:
        return None
    listed = ", ".join(f"`{names[id]}`" for id in lacking[:5]) + (", ..." if len(lacking) > 5 else "")
    return f"{listed}: {len(lacking)} of {len(counts)} categories with ground truth, {share:.0%} of the instances"
