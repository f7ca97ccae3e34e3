"""``cityscapes/instances`` and ``cityscapes/panoptic``: the finely annotated images, with ``*_gtFine_instanceIds.png``.

In the k-th instance of a class a pixel's value is class x 1000 + k. A value below 1000 is a class. If that class has
instances, the region is a group, which is read as a crowd. The pixels that the benchmark's AP leaves out are the ground
truth of the kind ``void``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from segharness import Category, DataError
from segharness.files import (
    AnnotatedImages,
    AnnotationEntry,
    File,
    LabelMap,
    Region,
    Tree,
    paired_files,
    read_index,
    read_pixels,
    size_of,
)

CATEGORIES = (
    Category(24, "person", ("pedestrian",)),
    Category(25, "rider"),
    Category(26, "car"),
    Category(27, "truck"),
    Category(28, "bus"),
    Category(31, "train"),
    Category(32, "motorcycle", ("motorbike", "motor")),
    Category(33, "bicycle", ("bike",)),
)
"""The 8 evaluated categories, with the ids of the benchmark's label file."""

STUFF = (
    Category(7, "road"),
    Category(8, "sidewalk"),
    Category(11, "building"),
    Category(12, "wall"),
    Category(13, "fence"),
    Category(17, "pole"),
    Category(19, "traffic light"),
    Category(20, "traffic sign"),
    Category(21, "vegetation"),
    Category(22, "terrain"),
    Category(23, "sky"),
)
"""The 11 evaluated categories without instances."""

AVERAGE_AREAS = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}
"""The average area of an instance in pixels, which the benchmark's iIoU weighs instances by (its evaluation scripts)."""

VOID = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)
"""Pixel values that are void in the benchmark's AP. Those of single caravans and trailers, from 29000 on, are not."""

_READER = 1
"""The version of the reader; it changes when the same files give another result."""
_INSTANCE = 1000
_LAST, _FIRST_WITH_INSTANCES = 33, 24
"""The last class of the benchmark's label file, and the first that has instances."""
_IMAGE, _LABELS = "_leftImg8bit.png", "_gtFine_instanceIds.png"


class _Split(AnnotatedImages):
    """A split of Cityscapes; images are in the order of city and frame.

    Args:
        name: of the data set.
        root, split: as of `CityscapesInstances`.
        categories: those that are annotated.
        stuff: whether regions without instances are annotated, too.
        kinds: the kinds of ground truth.
    """

    def __init__(
        self, name: str, root: str, split: str, categories: Sequence[Category], stuff: bool, kinds: Sequence[str]
    ) -> None:
        tree = Tree(root)
        images = _files_by_frame(tree, "leftImg8bit", split, _IMAGE)
        labels = _files_by_frame(tree, "gtFine", split, _LABELS)
        paired = paired_files(tree, images, labels)
        index = read_index(f"{name} {split}", tree, paired, lambda frame: _entry(*paired[frame], stuff), _READER)
        super().__init__(categories, {frame: image for frame, (image, _) in paired.items()}, index, kinds)


class CityscapesInstances(_Split):
    """``cityscapes/instances``: 8 categories, groups as crowds.

    Args:
        root: the folder of ``leftImg8bit/`` and ``gtFine/``, or of their zip archives.
        split: ``train``, ``val``, or another folder that both contain.

    Raises:
        DataError: folders are missing, an image has no annotation or the reverse, or an instance map is broken.
    """

    def __init__(self, root: str, split: str = "val") -> None:
        super().__init__("cityscapes/instances", root, split, CATEGORIES, False, ("instances", "void"))


class CityscapesPanoptic(_Split):
    """``cityscapes/panoptic``: 8 things and 11 stuff, from the same files; the things serve as instances.

    Args:
        root, split: as of `CityscapesInstances`.

    Raises:
        DataError: as of `CityscapesInstances`.
    """

    def __init__(self, root: str, split: str = "val") -> None:
        categories = (*STUFF, *CATEGORIES)
        super().__init__("cityscapes/panoptic", root, split, categories, True, ("panoptic", "void"))

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return an annotation a segment, or a thing; categories have ``isthing``, and things ``average_area``.

        Raises:
            KeyError: the kind is not ``panoptic``, ``instances`` or ``void``.
        """
        things = {category.id for category in CATEGORIES}
        found = super().ground_truth("panoptic" if kind == "instances" else kind)
        if kind == "void":
            return found
        kept = things if kind == "instances" else {c["id"] for c in found["categories"]}
        return {
            **found,
            "annotations": [a for a in found["annotations"] if a["category_id"] in kept],
            "categories": [_described(c, c["id"] in things) for c in found["categories"] if c["id"] in kept],
        }


def _described(category: Mapping[str, Any], thing: bool) -> dict[str, Any]:
    """Return a category with what panoptic evaluations need to know of it."""
    more = {"average_area": AVERAGE_AREAS[category["name"]]} if thing else {}
    return {**category, "isthing": int(thing), **more}


def _files_by_frame(tree: Tree, top: str, split: str, ending: str) -> Mapping[str, File]:
    """Return the files of a split that have the ending, by city and frame."""
    files = {
        name.removeprefix(f"{top}/{split}/").removesuffix(ending): file
        for name, file in tree.files(f"{top}/{split}").items()
        if name.endswith(ending)
    }
    if not files:
        splits = ", ".join(tree.folders(top)) or "nothing"
        raise DataError(
            f"{tree}: no {top}/{split}/CITY/*{ending} (in {top}/ there is {splits}); "
            "`segharness datasets cityscapes/instances` shows how the files must lie"
        )
    return files


def _entry(image: File, labels: File, stuff: bool) -> AnnotationEntry:
    """Return the size and regions of an instance map; with `stuff` as segments, those without instances, too."""
    values = read_pixels(
        labels,
        ("I;16", "I;16B", "I"),
        "instance maps have 16 bits a pixel; is it a labelIds map, or was it saved again with 8?",
    )
    height, width = values.shape
    if size_of(image) != (height, width):
        raise DataError(f"{labels.shown}: is {height}x{width}, its image {'x'.join(map(str, size_of(image)))}")
    label_map = LabelMap(values)
    things = {category.id for category in CATEGORIES}
    ids = things | {category.id for category in STUFF} if stuff else things
    kind = "panoptic" if stuff else "instances"
    regions = []
    for value in label_map.values.tolist():
        category = value // _INSTANCE if value >= _INSTANCE else value
        if not (_FIRST_WITH_INSTANCES if value >= _INSTANCE else 0) <= category <= _LAST:
            raise DataError(f"{labels.shown}: the value {value} is of no class")
        if category in ids:
            is_group = value < _INSTANCE and category in things
            regions.append(Region(value, category, label_map.mask(value), is_group, kind))
    if void := np.intersect1d(label_map.values, VOID).tolist():
        regions.append(Region(0, 0, label_map.mask(*void), kind="void"))
    return AnnotationEntry(height, width, regions)
