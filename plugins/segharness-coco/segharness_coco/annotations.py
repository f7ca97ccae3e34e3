"""Reads and checks an annotation file. Every problem is reported with its annotation and image."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from segharness import DataError, coded
from segharness.files import File
from segharness.masks import check_counts

from segharness_coco.repairs import Repairs

_MOST = 20
"""The number of kinds of problems that a message lists at most."""

_VARYING = re.compile(r"-?\d[\d.e+-]*|\[.*\]|'[^']*'")
"""What differs between problems of one kind: numbers, lists and texts."""

_NEEDED: dict[str, dict[str, type]] = {
    "images": {"id": int, "file_name": str, "height": int, "width": int},
    "annotations": {
        "id": int,
        "image_id": int,
        "category_id": int,
        "bbox": list,
        "area": float,
    },
    "categories": {"id": int, "name": str},
}
"""The keys of every item and the types of their values. A float may be a whole number. All masks may be absent."""

_KINDS = {int: "a whole number", str: "a text", list: "a list", float: "a number"}
_MOST_COORDINATE = 1e6


class Annotations:
    """The checked content of an annotation file.

    Args:
        file: the JSON file.
        url_key: the key of a URL, whose last two parts are the `file_name` of an image that has none.
        maskless: what becomes of objects without a mask among others that have one: as of `Repairs`; None to refuse
            them.

    Attributes:
        content: the lists of images, annotations and categories, as in the file but for what was repaired.
        whole: all of the file, repaired.
        notes: what was repaired, one line for each kind.
        sha256: of the file, hexadecimal.
        withheld: whether the file, an ``image_info``, lists images whose annotations are not public.

    Raises:
        DataError: the file cannot be read, is not JSON, lacks a key, repeats an id, or holds a broken annotation.
    """

    def __init__(self, file: File, url_key: str | None = None, maskless: str | None = None) -> None:
        raw = file.read()
        self.sha256 = hashlib.sha256(raw).hexdigest()
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file.shown}: not JSON: {error}") from error
        if url_key is not None:
            _name_images(content, url_key, file.shown)
        named = file.name.rpartition("/")[2].startswith("image_info")
        self.withheld = named and isinstance(content, dict) and "annotations" not in content
        if self.withheld:
            content["annotations"] = []
        repairs = Repairs(content, maskless)
        asked = {id(annotation) for annotation in (*repairs.maskless, *repairs.boxless)}
        problems = [
            *repairs.problems,
            *_maskless_problems(repairs),
            *structure_problems(content),
            *annotation_problems(well_formed_items(content), asked),
        ]
        if problems:
            lines = [f"{file.shown}: {problem}" for problem in _grouped(problems)]
            is_asked = bool(asked) and not repairs.problems
            raise DataError([coded("T06" if is_asked else "T02", lines[0]), *lines[1:]])
        self.content: dict[str, list[dict[str, Any]]] = {key: content[key] for key in _NEEDED}
        hidden = ("annotations",) if self.withheld else ()
        self.whole: Mapping[str, Any] = {key: value for key, value in content.items() if key not in hidden}
        self.notes: Sequence[str] = repairs.notes


def _maskless_problems(repairs: Repairs) -> Iterator[str]:
    """Yield that objects have no mask, and what can be done."""
    if repairs.maskless:
        yield (
            f"{_objects(repairs.maskless)} no mask of at least three points, and others have one (first: annotation "
            f"{repairs.maskless[0].get('id')}): say with the option `maskless` what becomes of them: `ignore` (regions that "
            "are not scored), `box` (their box is their mask) or `drop`"
        )
    if repairs.boxless:
        yield (
            f"{_objects(repairs.boxless)} neither a mask nor a box (first: annotation {repairs.boxless[0].get('id')}): "
            "only `maskless: drop` can do something with them"
        )


def _objects(annotations: Sequence[Mapping[str, Any]]) -> str:
    return f"{len(annotations)} objects have" if len(annotations) > 1 else "1 object has"


def _grouped(problems: Sequence[str]) -> Iterator[str]:
    """Yield the first problem of each kind, and how many more there are: an exporter makes one mistake many times."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        place, colon, what = problem.partition(": ")
        kinds.setdefault(_VARYING.sub("#", what if colon else place), []).append(problem)
    for first, *others in list(kinds.values())[:_MOST]:
        yield first + (f" (and {len(others)} more of this kind)" if others else "")
    if len(kinds) > _MOST:
        yield f"and {len(kinds) - _MOST} more kinds of problems"


def _name_images(content: Any, key: str, where: str) -> None:
    """Give each image without `file_name` the last two parts of its URL."""
    images = content.get("images") if isinstance(content, dict) else None
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and "file_name" not in image and isinstance(image.get(key), str):
            image["file_name"] = "/".join(image[key].split("/")[-2:])
        elif isinstance(image, dict) and "file_name" not in image:
            raise DataError(f"{where}: image {image.get('id')} has no `{key}`")


def structure_problems(content: Any, lists: Mapping[str, Mapping[str, type]] = _NEEDED) -> Iterator[str]:
    """Yield the problems of a file's structure: lists and keys that are missing, and values of a wrong type.

    Args:
        content: the parsed JSON.
        lists: for every list of the file the keys of its items, and the types of their values.
    """
    if not isinstance(content, dict):
        yield f"holds a JSON {type(content).__name__}, not an object with {', '.join(lists)}"
        return
    for key, needed in lists.items():
        if not isinstance(content.get(key), list):
            yield f"the key `{key}` is missing, or is not a list"
            continue
        for position, item in enumerate(content[key]):
            label = f"id {item['id']}" if isinstance(item, dict) and "id" in item else f"number {position}"
            if not isinstance(item, dict):
                yield f"{key}, {label}: is no object"
                continue
            missing = [name for name in needed if name not in item]
            if missing:
                yield f"{key}, {label}: lacks `{'`, `'.join(missing)}`"
            for name, kind in needed.items():
                if name in item and not _has_kind(item[name], kind):
                    yield f"{key}, {label}: `{name}` is {item[name]!r:.60}, not {_KINDS[kind]}"


def well_formed_items(content: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the items without problems of structure, so that their values can be checked."""
    well_formed: dict[str, list[dict[str, Any]]] = {}
    for key, needed in _NEEDED.items():
        items = content.get(key) if isinstance(content, dict) else None
        well_formed[key] = [
            item
            for item in (items if isinstance(items, list) else [])
            if isinstance(item, dict)
            and all(name in item and _has_kind(item[name], kind) for name, kind in needed.items())
        ]
    return well_formed


def _has_kind(value: Any, kind: type) -> bool:
    if kind is float:
        return _is_finite(value)
    if kind is str:
        return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, kind) and not isinstance(value, bool)


def are_numbers(values: Any, count: int) -> bool:
    """Return whether a value is a list of `count` finite numbers."""
    return isinstance(values, list) and len(values) == count and all(_is_finite(value) for value in values)


def annotation_problems(
    content: Mapping[str, Sequence[Mapping[str, Any]]], maskless: Collection[int] = ()
) -> Iterator[str]:
    """Yield every repeated id, dangling reference and malformed annotation of items with a right structure.

    Args:
        content: the items.
        maskless: the annotations, by `id()`, whose lack of a mask was said already.
    """
    for key in _NEEDED:
        seen: set[Any] = set()
        for item in content[key]:
            if not 0 <= item["id"] < (2**31 if key == "categories" else 2**63):
                yield f"{key}: the id {item['id']} is out of range"
            elif item["id"] in seen:
                yield f"{key}: the id {item['id']} is given twice"
            else:
                seen.add(item["id"])
    names = [category["name"] for category in content["categories"]]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"categories: the name `{name}` is given twice"
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    for image in content["images"]:
        if not all(0 < image[side] <= _MOST_COORDINATE for side in ("height", "width")):
            yield f"image {image['id']} ({image['file_name']}): height {image['height']}, width {image['width']}"
    masks = any(annotation.get("segmentation") for annotation in content["annotations"])
    for annotation in content["annotations"]:
        has_mask = masks and id(annotation) not in maskless
        for problem in _problems_in_annotation(annotation, images, categories, has_mask):
            image = images.get(annotation["image_id"], {}).get("file_name", f"image {annotation['image_id']}")
            yield f"annotation {annotation['id']} ({image}): {problem}"


def _problems_in_annotation(
    annotation: Mapping[str, Any], images: Mapping[int, Any], categories: set[int], masks: bool
) -> Iterator[str]:
    if annotation["image_id"] not in images:
        yield "its image is not in the file"
    if annotation["category_id"] not in categories:
        yield f"its category {annotation['category_id']!r} is not in the file"
    box = annotation["bbox"]
    if not are_numbers(box, 4):
        yield f"bbox {box!r:.60} is not four finite numbers"
    elif box[2] < 0 or box[3] < 0:
        yield f"bbox {box} has a negative side"
    if annotation["area"] < 0:
        yield f"area {annotation['area']!r} is negative"
    if annotation.get("iscrowd", 0) not in (0, 1):
        yield f"iscrowd {annotation['iscrowd']!r} is neither 0 nor 1"
    if masks and "segmentation" not in annotation:
        yield "it has no segmentation, and others have"  # only of items that Repairs could not read
    elif masks:
        yield from _shape_problems(annotation["segmentation"], images.get(annotation["image_id"]))


def _shape_problems(shape: Any, image: Mapping[str, Any] | None) -> Iterator[str]:
    if isinstance(shape, list):
        if not shape:
            yield "segmentation is empty"
        if len(shape) >= 3 and all(isinstance(point, list) and len(point) == 2 for point in shape):
            yield "its points stand in pairs [x, y]; a polygon is one list x y x y x y ..."
            return
        for polygon in shape:
            if (
                not isinstance(polygon, list)
                or len(polygon) < 6
                or len(polygon) % 2
                or not all(map(_is_finite, polygon))
            ):
                yield f"polygon {polygon!r:.60} is not x y x y x y ... of at least three points"
            elif max(map(abs, polygon)) > _MOST_COORDINATE:
                yield f"polygon {polygon!r:.60} is far outside of every image"
    elif isinstance(shape, dict) and "counts" in shape and "size" in shape:
        if image is not None:
            yield from _rle_problems(shape, image["height"], image["width"])
    else:
        yield "segmentation is neither polygons nor an RLE with `size` and `counts`"


def _rle_problems(shape: Mapping[str, Any], height: int, width: int) -> Iterator[str]:
    if shape["size"] != [height, width]:
        yield f"its mask has size {shape['size']!r:.60}, its image {[height, width]}"
        return
    counts = shape["counts"]
    if isinstance(counts, list):
        if not all(_has_kind(count, int) and count >= 0 for count in counts):
            yield "its RLE counts are not whole numbers from 0"
        elif sum(counts) != height * width:
            yield f"its RLE counts sum to {sum(counts)}, its image has {height * width} pixels"
    elif isinstance(counts, str):
        try:
            check_counts(counts, height, width)
        except ValueError as error:
            yield f"its RLE is broken: {error}"
    else:
        yield f"its RLE counts are {counts!r:.60}, neither a text nor a list"


def _is_finite(value: Any) -> bool:
    """Return whether a value is a finite number that fits 64 bits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63
