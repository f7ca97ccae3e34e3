"""The data set ``cityscapes/instances``: the finely annotated images, with their ``*_gtFine_instanceIds.png``.

In the k-th instance of a class a pixel's value is class x 1000 + k. A value below 1000 is a class. If that class has
instances, the region is a group, which is read as a crowd. The pixels that the benchmark's AP leaves out are the ground
truth of the kind ``void``.
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

VOID = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)
"""Pixel values that are void in the benchmark's AP. Those of single caravans and trailers, from 29000 on, are not."""

_READER = 1
"""The version of the reader; it changes when the same files give another result."""
_INSTANCE = 1000
_LAST, _FIRST_WITH_INSTANCES = 33, 24
"""The last class of the benchmark's label file, and the first that has instances."""
_IMAGE, _LABELS = "_leftImg8bit.png", "_gtFine_instanceIds.png"


class CityscapesInstances(AnnotatedImages):
    """A split of Cityscapes; images are in the order of city and frame.

    Args:
        root: the folder of ``leftImg8bit/`` and ``gtFine/``, or of their zip archives.
        split: ``train``, ``val``, or another folder that both contain.

    Raises:
        DataError: folders are missing, an image has no annotation or the reverse, or an instance map is broken.
    """

    def __init__(self, root: str, split: str = "val") -> None:
        tree = Tree(root)
        images = _files_by_frame(tree, "leftImg8bit", split, _IMAGE)
        labels = _files_by_frame(tree, "gtFine", split, _LABELS)
        paired = paired_files(tree, images, labels)
        index = read_index(f"cityscapes/instances {split}", tree, paired, lambda name: _entry(*paired[name]), _READER)
        super().__init__(CATEGORIES, {name: image for name, (image, _) in paired.items()}, index, ("instances", "void"))


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


def _entry(image: File, labels: File) -> AnnotationEntry:
    """Return the size and regions of an instance map."""
    values = read_pixels(
        labels,
        ("I;16", "I;16B", "I"),
        "instance maps have 16 bits a pixel; is it a labelIds map, or was it saved again with 8?",
    )
    height, width = values.shape
    if size_of(image) != (height, width):
        raise DataError(f"{labels.shown}: is {height}x{width}, its image {'x'.join(map(str, size_of(image)))}")
    label_map = LabelMap(values)
    ids = {category.id for category in CATEGORIES}
    regions = []
    for value in label_map.values.tolist():
        category = value // _INSTANCE if value >= _INSTANCE else value
        if not (_FIRST_WITH_INSTANCES if value >= _INSTANCE else 0) <= category <= _LAST:
            raise DataError(f"{labels.shown}: the value {value} is of no class")
        if category in ids:
            regions.append(Region(value, category, label_map.mask(value), crowd=value < _INSTANCE))
    if void := np.intersect1d(label_map.values, VOID).tolist():
        regions.append(Region(0, 0, label_map.mask(*void), kind="void"))
    return AnnotationEntry(height, width, regions)
