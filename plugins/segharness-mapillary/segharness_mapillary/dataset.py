"""``mapillary/vistas``: the panoptic annotations of v1.2 and v2.0, at the images' own size or at a longest side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from segharness import DataError
from segharness.files import (
    AnnotatedImages,
    AnnotationEntry,
    File,
    FilesByName,
    LabelMap,
    Region,
    Tree,
    read_index,
    read_pixels,
)

from segharness_mapillary.annotations import AnnotatedImage, PanopticAnnotations, read_labels
from segharness_mapillary.names import named_categories
from segharness_mapillary.plugin import VERSIONS, check_longest_side, check_split, check_version
from segharness_mapillary.scaling import ScaledImage, scaled_segments, scaled_size

_READER = 1
"""The version of the reader; it changes when the same files give another result."""

_HINT = "`segharness datasets mapillary/vistas` shows how the files must lie"

_JSON = {"v1.2": "panoptic_2018.json", "v2.0": "panoptic_2020.json"}
_CONFIGS = {"v1.2": ("config_v1.2.json", "config.json"), "v2.0": ("config_v2.0.json",)}


class MapillaryVistas(AnnotatedImages):
    """``mapillary/vistas``: a split as it is shipped; images are in the order of their names.

    Categories that ``config*.json`` does not evaluate are void.

    Args:
        root: the folder of ``training/`` and ``validation/``, or of their zip archive.
        split: ``training`` or ``validation``.
        version: of the annotations: ``v1.2`` or ``v2.0``.
        longest_side: the longer side of every image and its segments in pixels; smaller images are enlarged. None for
            images as they are.

    Raises:
        DataError: an option is wrong, files are missing, or a file is broken.
    """

    def __init__(
        self, root: str, split: str = "validation", version: str = "v1.2", longest_side: int | None = None
    ) -> None:
        _check_options(split, version, longest_side)
        tree = Tree(root, within=f"mapillary-vistas-dataset_public_{version}")
        folder, file = _panoptic(tree, split, version)
        shipped = PanopticAnnotations(file)
        config = next((found for name in _CONFIGS[version] if (found := tree.find(name)) is not None), None)
        labels = read_labels(config) if config is not None else {}
        evaluated = [c for c in shipped.categories if c.whole_name not in labels or labels[c.whole_name].is_evaluated]
        if problem := _names_problem([c.whole_name for c in evaluated]):
            raise DataError(f"{file.shown}: {problem}")
        self._things = {c.id for c in evaluated if c.is_thing}
        self._has_config, self._longest_side = config is not None, longest_side
        ids = {c.id for c in evaluated}
        self._declared = sum(category in ids for image in shipped.images for category, _ in image.segments.values())
        by_name = {image.name: image for image in shipped.images}
        pngs = _files(tree, folder, [image.segments_name for image in shipped.images], "PNG files")
        images = _files(tree, f"{split}/images", list(by_name), "images")
        sizes = {name: _size(image, longest_side) for name, image in by_name.items()}
        index = read_index(
            f"mapillary/vistas {version} {split}" + (f" {longest_side}" if longest_side is not None else ""),
            tree,
            {name: (pngs[image.segments_name],) for name, image in by_name.items()},
            lambda name: _entry(pngs[by_name[name].segments_name], by_name[name], sizes[name]),
            [_READER, shipped.sha256, longest_side],
        )
        if longest_side is not None:
            images = {
                name: replace(file, source=ScaledImage(file, (by_name[name].height, by_name[name].width), sizes[name]))
                for name, file in images.items()
            }
        categories = named_categories(evaluated, {name: label.readable for name, label in labels.items()})
        super().__init__(categories, images, index, ("panoptic",))
        content = [self.digest, sorted(self._things), *([longest_side] if longest_side is not None else [])]
        self.digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def notes(self) -> list[str]:
        """What a run should know of the files, a line each."""
        lines = []
        if not self._has_config:
            lines.append(
                "there is no config*.json: all categories are evaluated, and only the JSON file's names are known"
            )
        if self._longest_side is not None and (lost := self._declared - len(self._segments)):
            lines.append(
                f"{lost} of {self._declared} segments have no pixel left at a longest side of {self._longest_side}; "
                "they are not annotated"
            )
        return lines

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return an annotation a segment, or a thing; categories have ``isthing``, and pixels without one are void.

        Args:
            kind: ``"panoptic"`` for all segments, ``"instances"`` for the things.

        Raises:
            KeyError: another kind.
        """
        if kind not in ("panoptic", "instances"):
            raise KeyError(kind)
        kept = self._things if kind == "instances" else {category.id for category in self.categories}
        return {
            "images": [
                {"id": s.image_id, "file_name": s.name, "height": s.height, "width": s.width} for s in self.samples()
            ],
            "annotations": [segment for segment in self._segments if segment["category_id"] in kept],
            "categories": [
                {"id": c.id, "name": c.name, "isthing": int(c.id in self._things)}
                for c in self.categories
                if c.id in kept
            ],
        }

    @cached_property
    def _segments(self) -> Sequence[Mapping[str, Any]]:
        """The segments of the categories that are evaluated."""
        ids = {category.id for category in self.categories}
        segments: Sequence[Mapping[str, Any]] = super().ground_truth("panoptic")["annotations"]
        return [segment for segment in segments if segment["category_id"] in ids]


def _check_options(split: str, version: str, longest_side: int | None) -> None:
    found = {"split": check_split(split), "version": check_version(version)}
    if longest_side is not None:
        found["longest_side"] = check_longest_side(longest_side)
    if problems := [f"`{name}` {problem}" for name, problem in found.items() if problem is not None]:
        raise DataError(problems)


def _panoptic(tree: Tree, split: str, version: str) -> tuple[str, File]:
    """Return the folder of a split's PNG files, and the JSON file in it."""
    for known in (version, *VERSIONS):
        folders = [f"{split}/{known}/panoptic", *([f"{split}/panoptic"] if known == "v1.2" else [])]
        for folder in folders:
            name = f"{folder}/{_JSON[known]}"
            if (file := tree.find(name)) is None:
                continue
            if known == version:
                return folder, file
            wanted = f"{split}/{version}/panoptic/{_JSON[version]}"
            raise DataError(f"{tree}: no {wanted}; there is {name}: give `version: {known}`, or add the files")
    others = ", ".join(tree.folders("")) or "nothing"
    wanted = " nor ".join(
        [
            f"{split}/{version}/panoptic/{_JSON[version]}",
            *([f"{split}/panoptic/{_JSON[version]}"] * (version == "v1.2")),
        ]
    )
    raise DataError(f"{tree}: no {wanted} (of folders there is {others}); {_HINT}")


def _names_problem(names: Sequence[str]) -> str | None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        return f"categories: the name {repeated} is given twice"
    return None if names else "no category is evaluated"


def _files(tree: Tree, folder: str, names: Sequence[str], noun: str) -> dict[str, File]:
    """Return files of a folder by name, all of them."""
    meant = FilesByName(tree, folder)
    found = meant.find_all(names)
    if missing := [name for name in names if name not in found]:
        shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise DataError(f"{tree}/{folder}: {len(missing)} of {len(names)} {noun} are missing: {shown}; {_HINT}")
    return {name: found[name] for name in names}


def _size(image: AnnotatedImage, longest_side: int | None) -> tuple[int, int]:
    if longest_side is None:
        return image.height, image.width
    return scaled_size(image.height, image.width, longest_side)


def _entry(png: File, image: AnnotatedImage, size: tuple[int, int]) -> AnnotationEntry:
    """Return the segments of an image at a (height, width); those that no pixel is left of are absent."""
    colours = read_pixels(png, ("RGB", "RGBA"), "its colours are no segment ids; is it from labels/ or instances/?")
    ids = colours[..., 0] + np.left_shift(colours[..., 1], 8, dtype=np.int32)
    ids += np.left_shift(colours[..., 2], 16, dtype=np.int32)
    if ids.shape != (image.height, image.width):
        raise DataError(f"{png.shown}: is {ids.shape}, its image {(image.height, image.width)} (height, width)")
    label_map = LabelMap(ids)
    drawn = set(label_map.values.tolist()) - {0}
    if different := sorted(drawn ^ image.segments.keys()):
        where = "the PNG file alone" if different[0] in drawn else "the JSON file alone"
        raise DataError(f"{png.shown}: segment {different[0]} is in {where}")
    if size != ids.shape:
        label_map = LabelMap(scaled_segments(ids, size))
    left = set(label_map.values.tolist())
    regions = [
        Region(id, category, label_map.mask(id), is_crowd, "panoptic")
        for id, (category, is_crowd) in image.segments.items()
        if id in left
    ]
    return AnnotationEntry(*size, regions)
