"""Boundary IoU (Cheng et al., "Boundary IoU: improving object-centric image segmentation evaluation", 2021).

The boundary of a mask is what an erosion by d pixels takes off it, d being 2 % of the image's diagonal, rounded, at least 1;
the border of the image counts as outside. Two masks' IoU is the least of their mask IoU and their boundaries' IoU; with a
crowd it is the mask's share, as in COCO. Matching is pycocotools'.
"""

from __future__ import annotations

import contextlib
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle
from pycocotools.cocoeval import COCOeval

RATIO = 0.02
"""Of the image's diagonal, the width of a boundary."""


def width(height: int, width: int) -> int:
    """Return how many pixels wide boundaries are in an image of (height, width)."""
    return max(1, round(RATIO * math.hypot(height, width)))


def boundary(mask: dict[str, Any]) -> dict[str, Any]:
    """Return the boundary of a mask; both are compressed RLEs of (H, W)."""
    pixels = np.asarray(rle.decode(mask)).astype(bool)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if len(rows):
        part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        pixels[part] &= ~_eroded(pixels[part], width(*pixels.shape))
    return dict(rle.encode(np.asfortranarray(pixels.view(np.uint8))))


def _eroded(pixels: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Return where all pixels within `reach` in both directions are set; outside of the array none is."""
    found = np.pad(pixels, reach)
    for axis in (0, 1):
        before = np.cumsum(found, axis=axis, dtype=np.int32)
        before = np.insert(before, 0, 0, axis=axis)
        size = found.shape[axis] - 2 * reach
        upper = np.take(before, np.arange(2 * reach + 1, 2 * reach + 1 + size), axis=axis)
        found = upper - np.take(before, np.arange(size), axis=axis) == 2 * reach + 1
    return found


class QuietEval(COCOeval):  # type: ignore[misc]
    """pycocotools' evaluation without its lines on stdout."""

    def evaluate(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            super().evaluate()

    def accumulate(self, p: Any = None) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            super().accumulate(p)


class BoundaryEval(QuietEval):
    """The same with boundary IoU. Boundaries are drawn only where the mask IoU reaches a threshold."""

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802, N803  pycocotools' names
        found = super().computeIoU(imgId, catId)
        if not len(found):
            return found
        truths, detections = self._both(imgId, catId)
        for d, g in np.argwhere(found >= min(self.params.iouThrs)):
            if not truths[g].get("iscrowd"):
                drawn = rle.iou([self._boundary(detections[d])], [self._boundary(truths[g])], [0])
                found[d, g] = min(found[d, g], drawn[0, 0])
        return found

    def _both(self, image: int, category: int) -> tuple[list[Any], list[Any]]:
        """Return ground truths and detections in the order in which pycocotools compares them."""
        categories = [category] if self.params.useCats else self.params.catIds
        truths = [a for c in categories for a in self._gts[image, c]]
        detections = [a for c in categories for a in self._dts[image, c]]
        order = np.argsort([-d["score"] for d in detections], kind="mergesort")
        return truths, [detections[i] for i in order[: self.params.maxDets[-1]]]

    @staticmethod
    def _boundary(annotation: dict[str, Any]) -> dict[str, Any]:
        if "boundary" not in annotation:
            annotation["boundary"] = boundary(annotation["segmentation"])
        found: dict[str, Any] = annotation["boundary"]
        return found
