"""Reads and checks ``panoptic_2018.json`` and ``panoptic_2020.json``, and the labels of ``config*.json``.

The JSON is in COCO's panoptic format, but the ids of images are texts. A pixel of a PNG file is R + 256 G + 65536 B,
the id of its segment; 0 is void.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segharness import DataError
from segharness.files import File
from segharness_coco.panoptic import segment_problems

from segharness_mapillary.names import ShippedCategory

_MOST = 20
"""The number of problems that a message lists."""

_KINDS = {int: "a whole number", str: "a text", list: "a list", bool: "true or false"}
_NEEDED: dict[str, dict[str, type]] = {
    "images": {"id": str, "file_name": str, "height": int, "width": int},
    "annotations": {"image_id": str, "file_name": str, "segments_info": list},
    "categories": {"id": int, "name": str, "isthing": int},
}
_SEGMENT: dict[str, type] = {"id": int, "category_id": int}
_LABEL: dict[str, type] = {"name": str, "readable": str, "evaluate": bool}
_UNIQUE = (
    ("images", "id"),
    ("images", "file_name"),
    ("annotations", "image_id"),
    ("annotations", "file_name"),
    ("categories", "id"),
)


@dataclass(frozen=True)
class AnnotatedImage:
    """What the JSON says of an image.

    Attributes:
        name: of its file.
        segments_name: of the PNG file of its segments.
        height, width: in pixels.
        segments: the category and whether it is a crowd, by the id of a segment.
    """

    name: str
    segments_name: str
    height: int
    width: int
    segments: Mapping[int, tuple[int, bool]]


@dataclass(frozen=True)
class Label:
    """A label of ``config*.json``: its name for people, and whether it is evaluated."""

    readable: str
    is_evaluated: bool


class PanopticAnnotations:
    """The checked content of a JSON file.

    Args:
        file: the JSON.

    Attributes:
        images: by rising name of the file.
        categories: as the file has them.
        sha256: of the file, hexadecimal.

    Raises:
        DataError: the file cannot be read, is not JSON, lacks a key, repeats an id or names what it does not hold.
    """

    def __init__(self, file: File) -> None:
        content, self.sha256 = _parsed(file)
        _complain(file, _problems(content))
        described = {annotation["image_id"]: annotation for annotation in content["annotations"]}
        self.images: Sequence[AnnotatedImage] = [
            AnnotatedImage(
                image["file_name"],
                described[image["id"]]["file_name"],
                image["height"],
                image["width"],
                {
                    segment["id"]: (segment["category_id"], bool(segment.get("iscrowd", 0)))
                    for segment in described[image["id"]]["segments_info"]
                },
            )
            for image in sorted(content["images"], key=lambda image: str(image["file_name"]))
        ]
        self.categories: Sequence[ShippedCategory] = [
            ShippedCategory(c["id"], c["name"], str(c.get("supercategory", "")), bool(c["isthing"]))
            for c in content["categories"]
        ]


def read_labels(file: File) -> Mapping[str, Label]:
    """Return the labels of ``config*.json`` by name.

    Raises:
        DataError: the file cannot be read, is not JSON or lacks a key.
    """
    content, _ = _parsed(file)
    problems = list(_list_problems(content, "labels", _LABEL))
    _complain(file, iter(problems))
    return {label["name"]: Label(label["readable"], label["evaluate"]) for label in content["labels"]}


def _parsed(file: File) -> tuple[Any, str]:
    raw = file.read()
    try:
        return json.loads(raw), hashlib.sha256(raw).hexdigest()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.shown}: not JSON: {error}") from error


def _complain(file: File, problems: Iterator[str]) -> None:
    found = [f"{file.shown}: {problem}" for problem in problems]
    if found:
        more = [f"{file.shown}: and {len(found) - _MOST} more problems"] if len(found) > _MOST else []
        raise DataError([*found[:_MOST], *more])


def _problems(content: Any) -> Iterator[str]:
    """Yield the problems of a file; ids and references are checked only if its structure is right."""
    malformed = list(_malformed(content))
    yield from malformed
    if malformed:
        return
    for key, name in _UNIQUE:
        counts = Counter(item[name] for item in content[key])
        yield from (f"{key}: the {name} {value} is given {n} times" for value, n in counts.items() if n > 1)
    images = {image["id"] for image in content["images"]}
    described = {annotation["image_id"] for annotation in content["annotations"]}
    yield from (f"image {id} has no annotation" for id in sorted(images - described))
    yield from (f"annotation of image {id}: its image is not in the file" for id in sorted(described - images))
    for category in content["categories"]:
        if not 0 <= category["id"] < 2**31:
            yield f"categories: the id {category['id']} is out of range"
    categories = {category["id"] for category in content["categories"]}
    yield from segment_problems(content["annotations"], categories)


def _malformed(content: Any) -> Iterator[str]:
    """Yield every missing key and every value of a wrong type, and images without a size."""
    problems = [problem for key, needed in _NEEDED.items() for problem in _list_problems(content, key, needed)]
    yield from problems
    if problems:
        return
    for annotation in content["annotations"]:
        for problem in _list_problems(annotation, "segments_info", _SEGMENT):
            yield f"annotation {annotation['file_name']}: {problem}"
    for image in content["images"]:
        if min(image["height"], image["width"]) < 1:
            yield f"image {image['id']}: height {image['height']}, width {image['width']}"


def _list_problems(content: Any, key: str, needed: Mapping[str, type]) -> Iterator[str]:
    items = content.get(key) if isinstance(content, dict) else None
    if not isinstance(items, list):
        yield f"the key `{key}` is missing, or is not a list"
        return
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            yield f"{key}, number {position}: is no object"
            continue
        for name, kind in needed.items():
            if not _has_kind(item.get(name), kind):
                shown = f"is {item[name]!r:.60}, not {_KINDS[kind]}" if name in item else "is missing"
                yield f"{key}, number {position}: `{name}` {shown}"


def _has_kind(value: Any, kind: type) -> bool:
    if kind is str:
        return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
