"""Two classical segmenters for the toy problem, without weights: a baseline for trained models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from segharness import Instances

from segharness_toycells.boxes import boxes_of
from segharness_toycells.options import SHRINK
from segharness_toycells.scaling import enlarged, shrunk

_LEAST_AREA = 12
_SHARE = 0.6
"""The share of Otsu's threshold that is used, so low that the blurred outline of a cell belongs to the cell."""

Image = npt.NDArray[np.uint8]


class Segmenter(ABC):
    """The base of both segmenters, as a `segharness.Model`.

    Args:
        shrink: images are shrunk this many times first; 4 for images that were enlarged 4 times.

    Raises:
        UsageError: `shrink` is not a whole number from 1 to 16.
    """

    categories: Sequence[str] = ("cell",)

    def __init__(self, shrink: int = 1) -> None:
        self._shrink = SHRINK.checked("shrink", shrink)

    def predict(self, images: Sequence[Image], prompts: Any = None) -> list[Instances]:
        """Return the regions of uint8 RGB images (H, W, 3)."""
        return [_instances(self._labels(shrunk(image, self._shrink)), self._shrink) for image in images]

    @abstractmethod
    def _labels(self, image: Image) -> npt.NDArray[np.int32]:
        """Return the number of each pixel's region (H, W); 0 is background."""


class Threshold(Segmenter):
    """Otsu's threshold on brightness, then connected components; cells that touch become one region."""

    def _labels(self, image: Image) -> npt.NDArray[np.int32]:
        return cv2.connectedComponents(_bright(image))[1].astype(np.int32)


class Watershed(Segmenter):
    """A threshold on colour, then a watershed from the points that are far from the cells' red boundaries."""

    def _labels(self, image: Image) -> npt.NDArray[np.int32]:
        foreground = _coloured(image)
        smooth = cv2.GaussianBlur(image, (3, 3), 0).astype(np.int16)
        body = ((smooth[..., 2] > smooth[..., 0]) & (foreground > 0)).astype(np.uint8)
        distance = cv2.distanceTransform(body, cv2.DIST_L2, 5)
        markers = cv2.connectedComponents((distance > 1.2).astype(np.uint8))[1]
        seeds = np.where(foreground == 0, 1, np.where(markers > 0, markers + 1, 0)).astype(np.int32)
        # floods climb steps last: markers fill their body first, then the red rim, and never leave the foreground
        relief = np.where(foreground == 0, 255, np.where(body == 0, 64, 0)).astype(np.uint8)
        divided = cv2.watershed(np.repeat(relief[..., None], 3, axis=2), seeds)
        return np.where((divided > 1) & (foreground > 0), divided - 1, 0).astype(np.int32)


def _bright(image: Image) -> npt.NDArray[np.uint8]:
    """Return 1 for pixels whose brightest channel exceeds Otsu's threshold, 0 for the rest."""
    value = cv2.GaussianBlur(image, (3, 3), 0).max(axis=2)
    bright: npt.NDArray[np.uint8] = cv2.threshold(value, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1].astype(np.uint8)
    return bright


def _coloured(image: Image) -> npt.NDArray[np.uint8]:
    """Return 1 for pixels whose red or blue exceeds green by more than `_SHARE` of Otsu's threshold."""
    smooth = cv2.GaussianBlur(image, (3, 3), 0).astype(np.int16)
    colour = np.clip(np.maximum(smooth[..., 0], smooth[..., 2]) - smooth[..., 1], 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(colour, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (colour > _SHARE * level).astype(np.uint8)


def _instances(labels: npt.NDArray[np.int32], times: int) -> Instances:
    """Return the labelled regions, enlarged. A score is the share of its smallest rotated box that a region fills."""
    masks, scores = [], []
    for label in range(1, int(labels.max()) + 1):
        mask = labels == label
        area = int(mask.sum())
        if area < _LEAST_AREA:
            continue
        rows, columns = np.nonzero(mask)
        points = np.stack([columns, rows], axis=1).astype(np.float32)
        width, height = cv2.minAreaRect(points)[1]
        scores.append(min(1.0, area / ((width + 1) * (height + 1))))
        masks.append(mask)
    count = len(masks)
    large = enlarged(np.array(masks, dtype=bool).reshape(count, *labels.shape), times, (1, 2))
    return Instances(boxes_of(large), np.array(scores, dtype=np.float32), np.zeros(count, dtype=np.int64), large)
