"""A data set with one annotation file per image, read through an `AnnotationIndex`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from segharness.errors import DataError
from segharness.files.index import AnnotationIndex
from segharness.files.tree import File, Tree
from segharness.images.open_image import open_image
from segharness.records import Category, Sample


class AnnotatedImages:
    """A `segharness.Dataset` of images and the index of their annotations.

    The digest covers the categories, the annotations, and the name and size of every image file. The same data have the
    same digest, unpacked or zipped, in any folder.

    Args:
        categories: that annotations can have.
        images: the image files by name, in order; image ids count from 1.
        index: of the images' annotations, with an entry per image in the same order.
        kinds: the kinds of ground truth that it has, e.g. ``instances``.
    """

    def __init__(
        self, categories: Sequence[Category], images: Mapping[str, File], index: AnnotationIndex, kinds: Collection[str]
    ) -> None:
        self.categories: Sequence[Category] = categories
        self._index, self._kinds = index, kinds
        self._samples = [
            Sample(number, file.source, height, width, name)
            for number, ((name, file), (height, width)) in enumerate(
                zip(images.items(), index.sizes, strict=True), start=1
            )
        ]
        lines = [f"{name}:{file.size}" for name, file in images.items()]
        category_texts = [[category.id, category.name, *category.aliases] for category in categories]
        self.digest = hashlib.sha256(json.dumps([index.digest, lines, category_texts]).encode()).hexdigest()

    def samples(self) -> Sequence[Sample]:
        """Return the images, in order."""
        return self._samples

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the ground truth of a kind as a COCO dict (`images`, `annotations`, `categories`).

        Raises:
            KeyError: the data set has no such kind.
        """
        if kind not in self._kinds:
            raise KeyError(kind)
        images = [{"id": s.image_id, "file_name": s.name, "height": s.height, "width": s.width} for s in self._samples]
        return {
            "images": images,
            "annotations": self._index.annotations(kind, [s.image_id for s in self._samples]),
            "categories": [{"id": c.id, "name": c.name} for c in self.categories],
        }


def paired_files(tree: Tree, images: Mapping[str, File], labels: Mapping[str, File]) -> dict[str, tuple[File, File]]:
    """Return the image and the annotation file of every name, sorted by name.

    Args:
        tree: for messages.
        images: image files by name.
        labels: annotation files by name.

    Raises:
        DataError: a name has no image or no annotation; the message lists the first three.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "a.png").touch(), pathlib.Path(folder, "a.txt").touch()
        ...     tree = Tree(folder)
        ...     paired_files(tree, {"a": tree.find("a.png")}, {"a": tree.find("a.txt")})["a"][1].name
        'a.txt'
    """
    problems = []
    for have, lack, noun in ((images, labels, "annotation"), (labels, images, "image")):
        alone = [name for name in have if name not in lack]
        if alone:
            shown = ", ".join(have[name].shown for name in alone[:3])
            problems.append(f"{tree}: no {noun} for {len(alone)} of {len(have)} files: {shown}")
    if problems:
        raise DataError(problems)
    return {name: (images[name], labels[name]) for name in sorted(images)}


def read_pixels(file: File, modes: Collection[str], why: str) -> npt.NDArray[Any]:
    """Return the pixels of an annotation file, (H, W) or (H, W, channels), in the type they are stored in.

    Args:
        file: a PNG.
        modes: the modes of Pillow that it may have, e.g. ``I;16``.
        why: what is wrong with any other mode, for the message.

    Raises:
        DataError: it is not an image, is damaged, or has another mode.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3), 7).save(pathlib.Path(folder, "a.png"))
        ...     int(read_pixels(Tree(folder).find("a.png"), ["L"], "is not gray").max())
        7
    """
    try:
        data = file.read()
        with open_image(data) as picture:
            picture.verify()  # checksums: Pillow decodes some damaged files without an error
        with open_image(data) as picture:
            if picture.mode not in modes:
                raise DataError(f"{file.shown}: its pixels are {picture.mode}: {why}")
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{file.shown}: cannot be decoded: {_reason(error)}") from error


def size_of(file: File) -> tuple[int, int]:
    """Return the (height, width) of an image file, from its header.

    Raises:
        DataError: it is not an image.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3), 7).save(pathlib.Path(folder, "a.png"))
        ...     size_of(Tree(folder).find("a.png"))
        (3, 4)
    """
    try:
        source = file.source if isinstance(file.source, Path) else file.read()
        with open_image(source) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{file.shown}: cannot be decoded: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return "not an image of a known format" if isinstance(error, UnidentifiedImageError) else str(error)
