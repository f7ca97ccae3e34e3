"""``cityscapes/instances``: the finely annotated images, and what their ``*_gtFine_instanceIds.png`` say.

A pixel's value is class x 1000 + k in the k-th instance of a class; a smaller one is the class itself, and on a class that
has instances such a region is a group: a crowd. What the benchmark leaves out of its own AP is the ground truth of the
kind ``void``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from segharness import Category, DataError
from segharness.files import (
    AnnotatedImages,
    AnnotationEntry,
    File,
    LabelMap,
    Region,
    Tree,
    pairs,
    pixels,
    read_all,
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
"""The 8 that are evaluated, under the ids of the benchmark's label file."""

VOID = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)
"""Values whose pixels are void in the benchmark's AP. Single caravans and trailers, 29000 and on, are not among them."""

_READER = 1
"""Changes when the same files are read otherwise."""
_INSTANCE = 1000
_LAST, _FIRST_WITH_INSTANCES = 33, 24
"""Of the benchmark's label file."""
_IMAGE, _LABELS = "_leftImg8bit.png", "_gtFine_instanceIds.png"


class CityscapesInstances(AnnotatedImages):
    """A split of Cityscapes, by city and name of the frame.

    Args:
        root: the folder that ``leftImg8bit/`` and ``gtFine/``, or their zip archives, lie in.
        split: ``train``, ``val``, or any other folder of both.

    Raises:
        DataError: folders are missing, a file is without its counterpart, an instance map is broken.
    """

    def __init__(self, root: str, split: str = "val") -> None:
        tree = Tree(root)
        images = _frames(tree, "leftImg8bit", split, _IMAGE)
        labels = _frames(tree, "gtFine", split, _LABELS)
        both = pairs(tree, images, labels)
        index = read_all(f"cityscapes/instances {split}", tree, both, lambda name: _entry(*both[name]), _READER)
        super().__init__(CATEGORIES, {name: image for name, (image, _) in both.items()}, index, ("instances", "void"))


def _frames(tree: Tree, top: str, split: str, ending: str) -> Mapping[str, File]:
    """Return the files of a split, by city and frame; what else lies there is not looked at."""
    found = {
        name.removeprefix(f"{top}/{split}/").removesuffix(ending): file
        for name, file in tree.files(f"{top}/{split}").items()
        if name.endswith(ending)
    }
    if not found:
        splits = ", ".join(tree.folders(top)) or "nothing"
        raise DataError(
            f"{tree}: no {top}/{split}/CITY/*{ending} (in {top}/ there is {splits}); "
            "`segharness datasets cityscapes/instances` shows how the files must lie"
        )
    return found


def _entry(image: File, labels: File) -> AnnotationEntry:
    values = pixels(
        labels,
        ("I;16", "I;16B", "I"),
        "instance maps have 16 bits a pixel; is it a labelIds map, or was it saved again with 8?",
    )
    height, width = values.shape
    if size_of(image) != (height, width):
        raise DataError(f"{labels.place}: is {height}x{width}, its image {'x'.join(map(str, size_of(image)))}")
    found = LabelMap(values)
    ids = {category.id for category in CATEGORIES}
    regions = []
    for value in found.values.tolist():
        category = value // _INSTANCE if value >= _INSTANCE else value
        if not (_FIRST_WITH_INSTANCES if value >= _INSTANCE else 0) <= category <= _LAST:
            raise DataError(f"{labels.place}: the value {value} is of no class")
        if category in ids:
            regions.append(Region(value, category, found.mask(value), crowd=value < _INSTANCE))
    if void := np.intersect1d(found.values, VOID).tolist():
        regions.append(Region(0, 0, found.mask(*void), kind="void"))
    return AnnotationEntry(height, width, regions)
