"""Reads BDD100K's JSON files with RLEs: a list of frames in Scalabel's format, or an object with the key ``frames``."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pycocotools import mask as rle
from segharness import Category, DataError
from segharness.files import File, Mask, Region
from segharness.masks import check_counts

_MOST = 10
_MOST_SIDE = 2**15

Regions = list[tuple[Region, tuple[int, int]]]
"""The regions of an image, each with the (height, width) of its RLE."""


class RleFile(Mapping[str, Regions]):
    """The regions of every image, by name without ending. The first lookup reads the file; threads may share it.

    Args:
        file: the JSON file.
        images: names of the images; the file must describe all of them, and no others.
        categories: the categories whose names and aliases the file may use.
    """

    def __init__(self, file: File, images: Collection[str], categories: Sequence[Category]) -> None:
        self._file, self._images, self._categories = file, images, categories
        self._lock = threading.Lock()
        self._regions: dict[str, Regions] | None = None

    def __getitem__(self, name: str) -> Regions:
        """Return the regions of an image.

        Raises:
            DataError: the file is broken, describes unknown images, or lacks images; the message lists the problems.
        """
        with self._lock:
            if self._regions is None:
                self._regions = _read(self._file, self._images, self._categories)
            return self._regions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)


def _read(file: File, images: Collection[str], categories: Sequence[Category]) -> dict[str, Regions]:
    try:
        content = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.shown}: not JSON: {error}") from error
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list):
        raise DataError(f"{file.shown}: holds neither a list of frames nor an object with the key `frames`")
    ids = {name: category.id for category in categories for name in (category.name, *category.aliases)}
    regions: dict[str, Regions] = {name: [] for name in images}
    problems: list[str] = []
    seen: set[str] = set()
    for frame in frames:
        if not isinstance(frame, dict) or not isinstance(frame.get("name"), str):
            problems.append(f"{file.shown}: a frame has no name")
            continue
        name = PurePosixPath(frame["name"]).stem
        if name not in regions:
            problems.append(f"{file.shown}: no image {frame['name']}")
        elif name in seen:
            problems.append(f"{file.shown}: {frame['name']} is described twice")
        else:
            labels = frame.get("labels")
            try:
                regions[name] = list(_regions(labels if labels is not None else [], ids))
            except ValueError as error:
                problems.append(f"{file.shown}: {frame['name']}: {error}")
        seen.add(name)
    missing = sorted(set(images) - seen)
    if missing and not problems:
        problems.append(f"{file.shown}: no frame for {len(missing)} of {len(images)} images, first {missing[0]}")
    if problems:
        more = [f"{file.shown}: and {len(problems) - _MOST} more problems"] if len(problems) > _MOST else []
        raise DataError([*problems[:_MOST], *more])
    return regions


def _regions(labels: Any, ids: dict[str, int]) -> Iterator[tuple[Region, tuple[int, int]]]:
    """Yield the regions of a frame's labels, each with the size of its RLE.

    Raises:
        ValueError: a label is broken.
    """
    if not isinstance(labels, list):
        raise ValueError("`labels` is not a list")
    for number, label in enumerate(labels, 1):
        if not isinstance(label, dict):
            raise ValueError(f"label {number} is no object")
        category = label.get("category")
        if not isinstance(category, str) or category not in ids:
            raise ValueError(f"label {number} has the category {category!r:.60}, not one of {', '.join(ids)}")
        shape = label.get("rle")
        if not isinstance(shape, dict) or not _is_size(shape.get("size")):
            raise ValueError(f"label {number} has no `rle` with `counts` and `size`; polygons are read as bitmasks")
        height, width = shape["size"]
        counts = shape.get("counts")
        try:
            if isinstance(counts, list):
                if not all(type(run) is int and run >= 0 for run in counts) or sum(counts) != height * width:
                    raise ValueError(f"its runs do not cover {height}x{width} pixels")
                counts = rle.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"]
            elif isinstance(counts, str):
                check_counts(counts, height, width)
                counts = counts.encode()
            else:
                raise ValueError("its counts are neither a text nor a list")
        except ValueError as error:
            raise ValueError(f"label {number}: a broken RLE: {error}") from error
        mask = {"size": [height, width], "counts": counts}
        x, y, w, h = (float(value) for value in rle.toBbox(mask))
        crowd = _is_crowd(label.get("attributes"), number)
        yield Region(number, ids[category], Mask(counts, int(rle.area(mask)), (x, y, w, h)), crowd), (height, width)


def _is_crowd(attributes: Any, number: int) -> bool:
    """Return whether a label is a crowd or an ignored region."""
    if attributes is None:
        return False
    if not isinstance(attributes, dict):
        raise ValueError(f"label {number}: its attributes are no object")
    flags = [attributes.get(key, False) for key in ("crowd", "ignored")]
    if not all(isinstance(flag, bool) for flag in flags):
        raise ValueError(f"label {number}: crowd and ignored are {flags!r:.60}, not true or false")
    return any(flags)


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(side) is int and 0 < side <= _MOST_SIDE for side in value)
    )
