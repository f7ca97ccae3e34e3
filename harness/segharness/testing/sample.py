"""A plugin with a small data set, models and a corruption, for tests that need some run: ``-p segharness.testing.sample``.

``sample/squares`` has three images of coloured squares, ``sample/finder`` finds them, ``sample/blind`` finds nothing,
``sample/failing`` raises on corrupted images, and ``sample/dim`` darkens. Nothing is read from a disk, and no package is
needed beside segharness's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.plugin.hookspecs import hookimpl
from segharness.plugin.specs import CorruptionSpec, DatasetSpec, ModelSpec
from segharness.records import Category, Instances, Sample

if TYPE_CHECKING:
    from segharness.records import Image

HEIGHT, WIDTH = 48, 64
_COLOURS = {"red": (220, 40, 40), "green": (40, 220, 40), "blue": (40, 40, 220)}
_SQUARES = (
    (("red", 4, 6, 16), ("blue", 30, 10, 20)),
    (("red", 10, 10, 24),),
    (("blue", 2, 2, 12), ("green", 40, 20, 18), ("red", 20, 26, 14)),
)
"""For each image the colour, x, y and side of its squares, in pixels; one square of a colour."""


class Squares:
    """The data set ``sample/squares``: instances, and the same as panoptic segments."""

    categories: Sequence[Category] = (Category(1, "red"), Category(2, "green"), Category(3, "blue"))
    digest = "squares-1"
    shard_size = 2

    def samples(self) -> Sequence[Sample]:
        """Return the three images."""
        return [
            Sample(image_id, lambda image_id=image_id: _image(image_id), HEIGHT, WIDTH, f"squares-{image_id}")  # type: ignore[misc]
            for image_id in range(1, len(_SQUARES) + 1)
        ]

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the squares as COCO annotations."""
        if kind not in ("instances", "panoptic"):
            raise KeyError(kind)
        category_ids = {category.name: category.id for category in self.categories}
        annotations = [
            {
                "id": 10 * image_id + number,
                "image_id": image_id,
                "category_id": category_ids[colour],
                "bbox": [x, y, side, side],
                "area": side * side,
                "iscrowd": 0,
                "segmentation": [[x, y, x + side, y, x + side, y + side, x, y + side]],
            }
            for image_id, squares in enumerate(_SQUARES, 1)
            for number, (colour, x, y, side) in enumerate(squares)
        ]
        return {
            "images": [{"id": s.image_id, "height": HEIGHT, "width": WIDTH} for s in self.samples()],
            "annotations": annotations,
            "categories": [{"id": c.id, "name": c.name, "isthing": 1} for c in self.categories],
        }


class Finder:
    """The model ``sample/finder``: for each colour the pixels in which it is the strongest. It finds every square."""

    categories: Sequence[str] = tuple(_COLOURS)

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the instances in every image."""
        return [self._find(image) for image in images]

    def _find(self, image: Image) -> Instances:
        pixels = image.astype(int)
        masks = [pixels[..., channel] > np.delete(pixels, channel, axis=2).max(axis=2) for channel in range(3)]
        labels = [label for label, mask in enumerate(masks) if mask.any()]
        boxes = [_box(masks[label]) for label in labels]
        shown = np.array([masks[label] for label in labels], dtype=bool).reshape(-1, *image.shape[:2])
        return Instances(
            np.array(boxes, dtype=np.float32).reshape(-1, 4),
            np.linspace(0.9, 0.5, len(labels), dtype=np.float32),
            np.array(labels, dtype=np.int64),
            shown,
        )


class Blind(Finder):
    """The model ``sample/blind``: finds nothing."""

    def _find(self, image: Image) -> Instances:
        return super()._find(np.zeros_like(image))


class Failing(Finder):
    """The model ``sample/failing``: raises on dark images."""

    def _find(self, image: Image) -> Instances:
        if image.max() < 200:
            raise ValueError("too dark")
        return super()._find(image)


def dim(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The corruption ``sample/dim``: divides by 1 + severity."""
    darkened: Image = image // np.uint8(1 + severity)
    return darkened


@hookimpl
def segharness_datasets() -> list[DatasetSpec]:
    return [DatasetSpec("sample/squares", factory=Squares, description="three images of squares, for tests")]


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec("sample/finder", factory=Finder, description="finds the squares"),
        ModelSpec("sample/blind", factory=Blind, description="finds nothing"),
        ModelSpec("sample/failing", factory=Failing, description="raises on dark images"),
    ]


@hookimpl
def segharness_corruptions() -> list[CorruptionSpec]:
    return [
        CorruptionSpec("sample/dim", apply=dim, category="digital", description="darker", severities=(1, 2, 3, 4, 5))
    ]


def _image(image_id: int) -> Image:
    image = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    for colour, x, y, side in _SQUARES[image_id - 1]:
        image[y : y + side, x : x + side] = _COLOURS[colour]
    return image


def _box(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
