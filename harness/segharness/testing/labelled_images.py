"""Images to check models on, with or without the objects in them: made, or those of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segharness.images.decode import decode
from segharness.masks import to_pixels
from segharness.records import Category, Dataset

if TYPE_CHECKING:
    from segharness.records import Image


@dataclass(frozen=True)
class LabelledImage:
    """An image and what is in it.

    Attributes:
        pixels: uint8 RGB (H, W, 3).
        categories: of the objects, N.
        boxes: float64 (N, 4), x1 y1 x2 y2 in pixels.
        masks: N of bool (H, W), or None for an object without a mask.
    """

    pixels: Image
    categories: Sequence[Category] = ()
    boxes: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    masks: Sequence[npt.NDArray[np.bool_] | None] = ()


def labelled_images(dataset: Dataset, count: int = 6) -> list[LabelledImage]:
    """Return the first images of a data set that have objects, with these; crowds are left out.

    Example:
        >>> from segharness.testing.sample import Squares
        >>> [len(image.masks) for image in labelled_images(Squares())]
        [2, 1, 3]
    """
    return list(islice(_with_objects(dataset), count))


def _with_objects(dataset: Dataset) -> Iterator[LabelledImage]:
    truth = dataset.ground_truth("instances")
    categories = {category.id: category for category in dataset.categories}
    by_image: dict[int, list[Any]] = {}
    for annotation in truth["annotations"]:
        if not annotation.get("iscrowd") and annotation["category_id"] in categories:
            by_image.setdefault(annotation["image_id"], []).append(annotation)
    for sample in dataset.samples():
        objects = by_image.get(sample.image_id)
        if objects:
            boxes = np.array([annotation["bbox"] for annotation in objects], dtype=np.float64).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            shape = (sample.height, sample.width)
            masks = [
                to_pixels(annotation["segmentation"], *shape).astype(bool) if annotation.get("segmentation") else None
                for annotation in objects
            ]
            named = [categories[annotation["category_id"]] for annotation in objects]
            yield LabelledImage(decode(sample), named, boxes, masks)


def photographs(count: int = 4) -> list[Image]:
    """Return images with the statistics of photographs: coloured noise whose power falls with frequency, and shapes.

    They have different sizes, and none is square. They are the same every time.

    Example:
        >>> [image.shape for image in photographs(2)]
        [(120, 176, 3), (168, 112, 3)]
    """
    return [_photograph(number) for number in range(count)]


_SIZES = ((120, 176), (168, 112), (96, 160), (144, 128))


def _photograph(number: int) -> Image:
    rng = np.random.Generator(np.random.Philox(key=number))
    height, width = _SIZES[number % len(_SIZES)]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1.0
    planes = []
    for _ in range(3):
        noise = np.fft.rfft2(rng.normal(size=(height, width))) / frequency
        noise[0, 0] = 0.0
        plane = np.fft.irfft2(noise, s=(height, width))
        planes.append(128 + 45 * plane / plane.std())
    image = np.stack(planes, axis=2)
    y, x = np.mgrid[:height, :width]
    for _ in range(4):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(10, 30)
        inside = (
            (y - cy) ** 2 + (x - cx) ** 2 < radius**2
            if rng.random() < 0.5
            else (abs(y - cy) < radius) & (abs(x - cx) < 20)
        )
        image[inside] = 0.4 * image[inside] + 0.6 * rng.uniform(0, 255, 3)
    pixels: Image = image.clip(0, 255).astype(np.uint8)
    return pixels
