"""The data sets ``toycells/train``, ``test`` and ``quick``: the toy problem, generated without files."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as rle
from segharness import Category, Sample

from segharness_toycells.options import ENLARGED
from segharness_toycells.scaling import enlarged
from segharness_toycells.scene import SIZE, Scene, make_scene

VERSION = 2
"""The version of the images; it changes whenever pixels or masks change."""

TRAIN_SEED, _TEST_SEED, _VALIDATION_SEED = 1, 2, 3
_TRAIN_IMAGES, _TEST_IMAGES, _QUICK_IMAGES = 10_000, 2000, 64


class ToyCells:
    """The first `count` images of a split, as a `segharness.Dataset`; image ids count from 1.

    Args:
        seed: of the split.
        count: how many images.
        enlarged: every pixel becomes a square of this many pixels a side.

    Raises:
        UsageError: `enlarged` is not a whole number from 1 to 16.

    Attributes:
        side: height and width of the images, pixels.
        digest: sha256 of all that decides the images.
    """

    categories: Sequence[Category] = (Category(1, "cell", ("bacterium", "object")),)
    shard_size = 32

    def __init__(self, seed: int, count: int, enlarged: int = 1) -> None:
        self._seed, self._count, self._times = seed, count, ENLARGED.checked("enlarged", enlarged)
        self.side = SIZE * enlarged
        self.digest = hashlib.sha256(f"toycells:{VERSION}:{seed}:{count}:{enlarged}".encode()).hexdigest()

    def scene(self, image_id: int) -> Scene:
        """Return an image with its masks, not enlarged."""
        return make_scene(self._seed, image_id - 1)

    def samples(self) -> Sequence[Sample]:
        """Return the samples, by rising image id; a sample's source generates its image."""
        return [
            Sample(i, functools.partial(_pixels, self._seed, i - 1, self._times), self.side, self.side, f"toycells {i}")
            for i in range(1, self._count + 1)
        ]

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the visible part of every cell as COCO annotations.

        Raises:
            KeyError: `kind` is not ``"instances"``.
        """
        if kind != "instances":
            raise KeyError(kind)
        annotations: list[dict[str, Any]] = []
        for image_id in range(1, self._count + 1):
            masks = enlarged(self.scene(image_id).masks, self._times, (1, 2)).transpose(1, 2, 0)
            for encoded in rle.encode(np.asfortranarray(masks, dtype=np.uint8)):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": 1,
                        "iscrowd": 0,
                        "segmentation": {"size": [self.side, self.side], "counts": encoded["counts"].decode()},
                        "area": float(rle.area(encoded)),
                        "bbox": rle.toBbox(encoded).tolist(),
                    }
                )
        return {
            "images": [{"id": i, "height": self.side, "width": self.side} for i in range(1, self._count + 1)],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "cell"}],
        }


def _pixels(seed: int, index: int, times: int) -> Any:
    return enlarged(make_scene(seed, index).pixels, times, (0, 1))


def train(enlarged: int = 1) -> ToyCells:
    """Return the 10000 training images."""
    return ToyCells(TRAIN_SEED, _TRAIN_IMAGES, enlarged)


def validation(count: int) -> ToyCells:
    """Return the first `count` images of a split that is used neither for training nor for tests."""
    return ToyCells(_VALIDATION_SEED, count)


def test(enlarged: int = 1) -> ToyCells:
    """Return the 2000 test images."""
    return ToyCells(_TEST_SEED, _TEST_IMAGES, enlarged)


def quick(enlarged: int = 1) -> ToyCells:
    """Return the first 64 test images."""
    return ToyCells(_TEST_SEED, _QUICK_IMAGES, enlarged)
