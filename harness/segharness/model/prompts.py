"""Prompts from the ground truth for models that take them: its boxes, or a point in each of its masks.

A point depends on the data set, the image and the annotation, not on the suite's seed, so that every model gets the
same prompts.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.data.open_dataset import OpenDataset
from segharness.errors import UsageError
from segharness.images.randomness import generator
from segharness.masks import to_pixels
from segharness.records import Sample

KINDS = ("boxes", "points")
"""The values of a model's `prompt`."""


@dataclass(frozen=True)
class ImagePrompts:
    """The prompts of one image.

    Attributes:
        annotation_ids: int64 (N,), the ids of the annotations that they are made from.
        category_ids: int32 (N,), the categories of these annotations.
        values: boxes, float32 (N, 4) x1 y1 x2 y2, or points, float32 (N, 2), the column and row of a pixel.
    """

    annotation_ids: npt.NDArray[np.int64]
    category_ids: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]


class Prompts:
    """The prompts of a data set, all of one kind. May be called from several threads.

    Crowds and annotations without a pixel get no prompt.

    Args:
        data: a data set with instances.
        kind: ``"boxes"`` or ``"points"``.

    Raises:
        UsageError: the kind is unknown, or the data set has no instances.
    """

    def __init__(self, data: OpenDataset, kind: str) -> None:
        if kind not in KINDS:
            raise UsageError(f"`prompt` is {kind!r}, not {' or '.join(KINDS)}")
        ground_truth = data.ground_truth("instances")
        if ground_truth is None:
            why = f": {data.withheld}" if data.withheld is not None else ""
            raise UsageError(f"data set `{data.entry.id}` has no instances to make prompts of{why}")
        self.kind, self._name = kind, data.entry.dataset
        self._annotations: dict[int, list[Mapping[str, Any]]] = {}
        for annotation in ground_truth["annotations"]:
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
