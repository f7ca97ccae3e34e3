"""The model ``yolo/seg``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from segharness import Instances, UsageError

from segharness_yolo.decode import Thresholds, decode, letterbox
from segharness_yolo.names import COCO80
from segharness_yolo.network import open_network
from segharness_yolo.options import OPTIONS


class YoloSeg:
    """A YOLO segmentation export as a `segharness.Model`.

    Args:
        weights: a .tflite or .onnx file.
        confidence, iou, most, crop: see `segharness_yolo.decode.Thresholds`.
        categories: class names, needed if the file has none and they are not COCO's 80.

    Raises:
        UsageError: the file is not a YOLO segmentation network, the number of names is not that of its classes, or
            there is no such `crop`.
    """

    def __init__(
        self,
        weights: str,
        confidence: float = 0.001,
        iou: float = 0.7,
        most: int = 100,
        crop: str = "prototype",
        categories: Sequence[str] | None = None,
    ) -> None:
        self._network = open_network(Path(weights), int(os.environ.get("OMP_NUM_THREADS", "1")))
        self._keep = Thresholds(confidence, iou, most, OPTIONS["crop"].checked("crop", crop))
        size = (self._network.height, self._network.width)
        outputs = self._network(np.zeros((*size, 3), dtype=np.float32))
        classes = outputs.rows.shape[1] - 4 - outputs.prototypes.shape[0]
        names = categories or self._network.names or COCO80
        if classes < 1 or len(names) != classes:
            raise UsageError(
                f"{weights}: has {classes} classes, but {len(names)} names are known; give the option `categories`"
            )
        self._size, self._classes = size, classes
        self.categories: Sequence[str] = list(names)

    def predict(self, images: Sequence[npt.NDArray[np.uint8]], prompts: Any = None) -> list[Instances]:
        """Return the instances of uint8 RGB images (H, W, 3), best first."""
        instances = []
        for image in images:
            canvas, box = letterbox(image, *self._size)
            instances.append(decode(self._network(canvas), box, self._size, self._classes, self._keep))
        return instances
