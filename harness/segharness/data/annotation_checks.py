"""Checks of a data set's ground truth, annotation by annotation, beyond what opening it checks."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from segharness.records import Sample


def annotation_problems(samples: Sequence[Sample], truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for everything that is wrong with the annotations of a COCO dict.

    Args:
        samples: the images of the data set.
        truth: what `Dataset.ground_truth` returned: ``images``, ``annotations`` and ``categories``.
    """
    by_id = {sample.image_id: sample for sample in samples}
    category_ids = {category["id"] for category in truth["categories"]}
    seen: set[Any] = set()
    for annotation in truth["annotations"]:
        sample = by_id.get(annotation.get("image_id"))
        where = f"{sample}: annotation {annotation.get('id')}"
        if sample is None:
            yield f"annotation {annotation.get('id')}: its image {annotation.get('image_id')} is not one of the data set's"
            continue
        if annotation.get("id") in seen or annotation.get("id") is None:
            yield f"{where}: another one has its id" if annotation.get("id") is not None else f"{where}: has no id"
        seen.add(annotation.get("id"))
        if annotation.get("category_id") not in category_ids:
            yield f"{where}: its category {annotation.get('category_id')} is not one of the data set's"
        yield from (f"{where}: {problem}" for problem in _shape_problems(annotation, sample))


def _shape_problems(annotation: Mapping[str, Any], sample: Sample) -> Iterator[str]:
    size = f"{sample.height}x{sample.width} (height x width)"
    box = annotation.get("bbox")
    numbers_of_box = list(box) if isinstance(box, Iterable) and not isinstance(box, (str, bytes, Mapping)) else []
    if len(numbers_of_box) != 4 or not all(_is_number(value) for value in numbers_of_box):
        yield f"bbox {box!r:.60} is not x, y, width, height"
    else:
        x, y, w, h = numbers_of_box
        if w < 0 or h < 0:
            yield f"bbox {[x, y, w, h]} has a negative side"
        elif x < -1 or y < -1 or x + w > sample.width + 1 or y + h > sample.height + 1:
            yield f"bbox {[x, y, w, h]} leaves its image, {size}"
    area = annotation.get("area")
    if not _is_number(area) or area <= 0:  # type: ignore[operator]
        yield f"area {area!r:.60}"
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        if list(segmentation.get("size") or ()) != [sample.height, sample.width]:
            yield f"its mask is {segmentation.get('size')}, its image {size}"
        elif not isinstance(segmentation.get("counts"), (bytes, str, list)):
            yield f"the counts of its mask are a {type(segmentation.get('counts')).__name__}"
    elif segmentation is not None and not isinstance(segmentation, list):
        yield f"its segmentation is a {type(segmentation).__name__}, neither polygons nor an RLE"


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
