"""The model ``yolo/seg``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from segharness import Instances

from segharness_yolo.decode import Thresholds, decode, letterbox
from segharness_yolo.layout import recognise
from segharness_yolo.network import open_network
from segharness_yolo.options import OPTIONS


class YoloSeg:
    """A YOLO export as a `segharness.Model`; one of a detector gives boxes alone.

    Args:
        weights: a .tflite or .onnx file.
        confidence, iou, most, crop: see `segharness_yolo.decode.Thresholds`.
        categories: class names, needed if the file has none and they are not COCO's 80.
        size: of the input, for a file that leaves it open: a whole number, or [height, width].

    Raises:
        UsageError: the file is no export of a known form, the number of names is not that of its classes, or there is
            no such `crop`.
    """

    def __init__(
        self,
        weights: str,
        confidence: float = 0.001,
        iou: float = 0.7,
        most: int = 100,
        crop: str = "box",
        categories: Sequence[str] | None = None,
        size: int | Sequence[int] | None = None,
    ) -> None:
        sides = [size, size] if isinstance(size, int) else size
        self._network = open_network(Path(weights), int(os.environ.get("OMP_NUM_THREADS", "1")), sides)
        self._keep = Thresholds(confidence, iou, most, OPTIONS["crop"].checked("crop", crop))
        self._size = (self._network.height, self._network.width)
        self._layout, names = recognise(self._network, categories)
        self.categories: Sequence[str] = names

    def predict(self, images: Sequence[npt.NDArray[np.uint8]], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3), best first."""
        instances = []
        for image in images:
            canvas, box = letterbox(image, *self._size)
            outputs = self._layout.outputs(self._network(canvas), *self._size)
            found = decode(outputs, box, self._size, self._layout, self._keep)
            instances.append(replace(found, network_input=box.network_input(*self._size)))
        return instances
