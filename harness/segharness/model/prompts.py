"""What a model that takes prompts is given of the ground truth: its boxes, or a point in each of its masks.

The points are the data set's, as its boxes are: they depend on the data set, the image and the annotation alone, not on
the suite's seed, so that every model is asked the same.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.data.dataset import OpenDataset
from segharness.errors import UsageError
from segharness.images.randomness import generator
from segharness.masks import to_pixels
from segharness.records import Sample

KINDS = ("boxes", "points")


@dataclass(frozen=True)
class ImagePrompts:
    """The prompts of one image.

    Attributes:
        annotation_ids: int64 (N,), which ground truths they are.
        category_ids: int32 (N,), of what.
        values: float32 (N, 4) x1 y1 x2 y2, or (N, 2) x y, the column and row of a pixel.
    """

    annotation_ids: npt.NDArray[np.int64]
    category_ids: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]


class Prompts:
    """The prompts of a data set, of one kind; safe to call from several threads.

    Crowds and ground truths without a pixel are left out.

    Args:
        data: a data set with instances.
        kind: ``"boxes"`` or ``"points"``.

    Raises:
        UsageError: another kind, or the data set has no instances.
    """

    def __init__(self, data: OpenDataset, kind: str) -> None:
        if kind not in KINDS:
            raise UsageError(f"`prompt` is {kind!r}, not {' or '.join(KINDS)}")
        content = data.ground_truth("instances")
        if content is None:
            raise UsageError(f"data set `{data.entry.id}` has no instances to make prompts of")
        self.kind, self._name = kind, data.entry.dataset
        self._annotations: dict[int, list[Mapping[str, Any]]] = {}
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd"):
                self._annotations.setdefault(annotation["image_id"], []).append(annotation)
        self._prompts: dict[int, ImagePrompts] = {}
        self._lock = threading.Lock()

    def __call__(self, sample: Sample) -> ImagePrompts:
        """Return the prompts of an image."""
        with self._lock:
            prompts = self._prompts.get(sample.image_id)
        if prompts is None:
            prompts = self._make(sample)
            with self._lock:
                self._prompts[sample.image_id] = prompts
        return prompts

    def _make(self, sample: Sample) -> ImagePrompts:
        ids, categories, values = [], [], []
        for annotation in self._annotations.get(sample.image_id, ()):
            pixels = np.flatnonzero(to_pixels(annotation["segmentation"], sample.height, sample.width).ravel(order="F"))
            if not len(pixels):
                continue
            ids.append(annotation["id"])
            categories.append(annotation["category_id"])
            if self.kind == "boxes":
                x, y, w, h = annotation["bbox"]
                values.append([x, y, x + w, y + h])
            else:
                rng = generator(0, self._name, sample.image_id, f"prompt/{annotation['id']}", 0)
                column, row = divmod(int(pixels[rng.integers(len(pixels))]), sample.height)
                values.append([column, row])
        width = 4 if self.kind == "boxes" else 2
        return ImagePrompts(
            np.array(ids, dtype=np.int64),
            np.array(categories, dtype=np.int32),
            np.array(values, dtype=np.float32).reshape(len(ids), width),
        )
