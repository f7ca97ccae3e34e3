"""The detections in a signature's outputs, checked. Needs numpy; Python 3.8 or later."""

from __future__ import annotations

from typing import Any

import numpy as np

READ = (
    "detection_boxes", "detection_classes", "detection_scores", "num_detections", "detection_masks",
    "detection_masks_reframed", "detection_outer_boxes", "image_info",
)  # fmt: skip
"""The outputs that are read; others are ignored."""


class Found:
    """The detections of one image, as a model gave them.

    Args:
        outputs: arrays by name, those of `READ`.
        score: detections of a lower score are left out.
        size: the (height, width) of the array that the signature was given.

    Raises:
        ValueError: a shape or a value is none that a detector of TensorFlow's zoos gives.

    Attributes:
        boxes: float32 (N, 4), y1 x1 y2 x2 in the model's unit.
        mask_boxes: the boxes that `cropped` masks fill; Model Garden calls them outer boxes if they are others.
        classes: int64 (N,).
        scores: float32 (N,).
        cropped: float32 (N, m, n), probabilities in the box; or None.
        whole: float32 (N, height, width), probabilities in the array; or None.
        info: float32 (4, 2), Model Garden's ``image_info``; or None.
    """

    def __init__(self, outputs: Any, score: float, size: Any) -> None:
        arrays = {name: _single(name, array) for name, array in outputs.items()}
        scores = arrays["detection_scores"]
        if scores.ndim != 1:
            raise ValueError(f"detection_scores is {list(scores.shape)} of an image, not [N]")
        keep = slice(0, _count(arrays.get("num_detections"), len(scores)))
        self.scores = _finite("detection_scores", scores[keep]).astype(np.float32)
        chosen = self.scores >= np.float32(score)
        if "num_detections" not in arrays:
            chosen &= self.scores > 0  # zoos fill up with scores of 0
        self.scores = self.scores[chosen]

        def take(name: str, *shape: Any) -> Any:
            array = arrays.get(name)
            if array is None:
                return None
            fits = array.ndim == len(shape) + 1 and len(array) == len(scores)
            if not fits or any(limit not in (None, array.shape[i]) for i, limit in enumerate(shape, 1)):
                wanted = ", ".join(["N", *("m" if limit is None else str(limit) for limit in shape)])
                raise ValueError(f"{name} is {list(array.shape)} of an image, not [{wanted}] with N = {len(scores)}")
            return _finite(name, array[keep][chosen]).astype(np.float32)

        self.boxes = take("detection_boxes", 4)
        self.mask_boxes = take("detection_outer_boxes", 4)
        if self.mask_boxes is None:
            self.mask_boxes = self.boxes
        classes = take("detection_classes")
        self.classes = classes.astype(np.int64)
        if (fractional := self.classes != classes).any():
            raise ValueError(f"detection_classes holds {classes[fractional][0]:g}, which is no whole number")
        self.whole = _probabilities("detection_masks_reframed", take("detection_masks_reframed", *size))
        self.cropped = None
        if self.whole is None:
            self.cropped = _probabilities("detection_masks", take("detection_masks", None, None))
        info = arrays.get("image_info")
        if info is not None and info.shape != (4, 2):
            raise ValueError(f"image_info is {list(info.shape)} of an image, not [4, 2]")
        self.info = None if info is None else info.astype(np.float32)


def _single(name: str, array: Any) -> Any:
    """Return the array of the one image in a batch."""
    if array.ndim == 0 and name == "num_detections":
        return array
    if array.ndim == 0 or len(array) != 1:
        raise ValueError(f"{name} is {list(array.shape)}, not of one image, [1, ...]")
    return array[0]


def _count(value: Any, most: int) -> int:
    """Return how many detections count."""
    if value is None:
        return most
    if value.size != 1 or not np.isfinite(value).all() or value != np.floor(value) or not 0 <= value <= most:
        raise ValueError(f"num_detections is {np.asarray(value).tolist()}, not a number from 0 to {most}")
    return int(np.reshape(value, ()))


def _finite(name: str, array: Any) -> Any:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {array.dtype}, not numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not finite")
    return array


def _probabilities(name: str, masks: Any) -> Any:
    if masks is not None and masks.size and not (masks.min() >= 0 and masks.max() <= 1):
        raise ValueError(f"{name} holds values from {masks.min():.4g} to {masks.max():.4g}, not probabilities")
    return masks
