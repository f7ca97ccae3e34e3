"""The data set ``bdd100k/instances``: the 10K images, with the RGBA bitmasks or the RLEs that BDD100K ships.

In a bitmask R is the category, G the attributes (truncated << 3 | occluded << 2 | crowd << 1 | ignored), and B << 8 | A
the number of the instance. Crowds and ignored regions are both read as crowds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

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

from segharness_bdd100k.rles import RleFile

CATEGORIES = (
    Category(1, "person", ("pedestrian",)),
    Category(2, "rider"),
    Category(3, "car"),
    Category(4, "truck"),
    Category(5, "bus"),
    Category(6, "train"),
    Category(7, "motorcycle", ("motorbike", "motor")),
    Category(8, "bicycle", ("bike",)),
)
"""The categories, with BDD100K's ids and COCO's names: the pedestrian is named person."""

_READER = 1
"""The version of the reader; it changes when the same files give another result."""

CROWD, IGNORED = 2, 1
"""Bits of the attributes."""

_TOP = "labels/ins_seg"


class Bdd100kInstances(AnnotatedImages):
    """A split of BDD100K's instance segmentation; images are in the order of their names.

    Args:
        root: the folder of ``images/`` and ``labels/``, or of their zip archives.
        split: ``train`` or ``val``.
        form: of the annotations: ``bitmasks`` or ``rles``.

    Raises:
        DataError: folders are missing, an image has no annotation or the reverse, or an annotation is broken.
    """

    def __init__(self, root: str, split: str = "val", form: str = "bitmasks") -> None:
        tree = Tree(root, within="bdd100k")
        title = f"bdd100k/instances {split} {form}"
        images = _files_by_stem(tree, f"images/10k/{split}", (".jpg", ".png"))
        if form == "bitmasks":
            paired = paired_files(tree, images, _files_by_stem(tree, f"{_TOP}/bitmasks/{split}", (".png",)))
            index = read_index(title, tree, paired, lambda name: _entry(*paired[name]), _READER)
        elif form == "rles":
            name = f"{_TOP}/rles/ins_seg_{split}.json"
            if (file := tree.find(name)) is None:
                raise DataError(f"{tree}: no {name}; {_HINT}")
            parts = {image: (images[image], file) for image in sorted(images)}
            rles = RleFile(file, images, CATEGORIES)  # it is read only if a file changed
            index = read_index(title, tree, parts, lambda image: _rle_entry(images[image], file, rles[image]), _READER)
        else:
            raise DataError(f"`form` is {form!r:.60}, not bitmasks or rles")
        super().__init__(CATEGORIES, {name: images[name] for name in sorted(images)}, index, ("instances",))


_HINT = "`segharness datasets bdd100k/instances` shows how the files must lie"


def _files_by_stem(tree: Tree, folder: str, endings: tuple[str, ...]) -> Mapping[str, File]:
    """Return the files of a folder that have one of the endings, by name without ending."""
    files: dict[str, File] = {}
    for name, file in tree.files(folder).items():
        if name.lower().endswith(endings):
            if (stem := PurePosixPath(name).stem) in files:
                raise DataError(f"{file.shown}: a second file of the name {stem}, beside {files[stem].shown}")
            files[stem] = file
    if not files:
        raise DataError(f"{tree}: no {folder}/*{endings[0]}; {_HINT}")
    return files


def _entry(image: File, bitmask: File) -> AnnotationEntry:
    """Return the size and regions of a bitmask."""
    values = read_pixels(bitmask, ("RGBA",), "bitmasks are RGBA; is it a color map?")
    height, width = values.shape[:2]
    _check_size(image, bitmask, height, width)
    red, green, blue, alpha = (values[..., channel].astype(np.int64) for channel in range(4))
    number = (blue << 8) + alpha
    packed = np.where(number > 0, (number << 16) + (green << 8) + red, 0)  # a valid instance has one value
    label_map = LabelMap(packed)
    ids = {category.id for category in CATEGORIES}
    regions: list[Region] = []
    for value in label_map.values.tolist():
        number, attributes, category = value >> 16, value >> 8 & 255, value & 255
        if not number:
            continue
        if regions and regions[-1].number == number:
            raise DataError(f"{bitmask.shown}: instance {number} has several categories or attributes")
        if category not in ids:
            raise DataError(f"{bitmask.shown}: instance {number} has the category {category}, not one of 1 to 8")
        crowd = bool(attributes & (CROWD | IGNORED))
        regions.append(Region(number, category, label_map.mask(value), crowd))
    return AnnotationEntry(height, width, regions)


def _rle_entry(image: File, file: File, regions: list[tuple[Region, tuple[int, int]]]) -> AnnotationEntry:
    """Return the size of an image, and its regions from the JSON file."""
    height, width = size_of(image)
    for region, size in regions:
        if size != (height, width):
            raise DataError(
                f"{file.shown}: {image.name}: the RLE of label {region.number} is {size[0]}x{size[1]}, the image "
                f"{height}x{width}"
            )
    return AnnotationEntry(height, width, [region for region, _ in regions])


def _check_size(image: File, labels: File, height: int, width: int) -> None:
    if (size := size_of(image)) != (height, width):
        raise DataError(f"{labels.shown}: is {height}x{width}, its image {size[0]}x{size[1]}")
