"""``toycells/test`` and ``toycells/quick``: the toy problem as a data set without files."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as rle
from segharness import Category, Sample

from segharness_toycells.scene import SIZE, Scene, make_scene

VERSION = 1
"""Changes whenever pixels or masks change."""

_TEST_SEED = 2
_TEST_IMAGES = 2000
_QUICK_IMAGES = 64


class ToyCells:
    """The first `count` images of a split; image ids count from 1."""

    categories: Sequence[Category] = (Category(1, "cell", ("bacterium", "object")),)
    shard_size = 32

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count = seed, count
        self.digest = hashlib.sha256(f"toycells:{VERSION}:{seed}:{count}".encode()).hexdigest()

    def scene(self, image_id: int) -> Scene:
        """Return an image with its masks."""
        return make_scene(self._seed, image_id - 1)

    def samples(self) -> Sequence[Sample]:
        return [
            Sample(i, functools.partial(_pixels, self._seed, i - 1), SIZE, SIZE, f"toycells {i}")
            for i in range(1, self._count + 1)
        ]

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the visible part of every cell for ``"instances"``.

        Raises:
            KeyError: another kind.
        """
        if kind != "instances":
            raise KeyError(kind)
        annotations: list[dict[str, Any]] = []
        for image_id in range(1, self._count + 1):
            masks = np.asfortranarray(self.scene(image_id).masks.transpose(1, 2, 0)).astype(np.uint8)
            for encoded in rle.encode(masks):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": 1,
                        "iscrowd": 0,
                        "segmentation": {"size": [SIZE, SIZE], "counts": encoded["counts"].decode()},
                        "area": float(rle.area(encoded)),
                        "bbox": rle.toBbox(encoded).tolist(),
                    }
                )
        return {
            "images": [{"id": i, "height": SIZE, "width": SIZE} for i in range(1, self._count + 1)],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "cell"}],
        }


def _pixels(seed: int, index: int) -> Any:
    return make_scene(seed, index).pixels


def test() -> ToyCells:
    """The 2000 test images."""
    return ToyCells(_TEST_SEED, _TEST_IMAGES)


def quick() -> ToyCells:
    """The first 64 of them."""
    return ToyCells(_TEST_SEED, _QUICK_IMAGES)
