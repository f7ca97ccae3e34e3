"""Boundary IoU (Cheng et al., "Boundary IoU: improving object-centric image segmentation evaluation", 2021).

The boundary of a mask consists of the pixels that an erosion by d pixels removes. d is 2 % of the image's diagonal,
rounded, and at least 1. Pixels beyond the border of the image count as outside of the mask. The IoU of two masks is the
smaller one of their mask IoU and the IoU of their boundaries. With a crowd it is the share of the detection that lies
on the crowd, as in COCO. pycocotools does the matching.
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
"""The width of a boundary, as a fraction of the image's diagonal."""


def width(height: int, width: int) -> int:
    """Return the width of boundaries, in pixels, in an image of height x width pixels.

    Example:
        >>> width(480, 640)
        16
    """
    return max(1, round(RATIO * math.hypot(height, width)))


def boundary(mask: dict[str, Any]) -> dict[str, Any]:
    """Return the boundary of a mask; both are compressed COCO RLEs of (H, W)."""
    pixels = np.asarray(rle.decode(mask)).astype(bool)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if len(rows):
        part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        pixels[part] &= ~_eroded(pixels[part], width(*pixels.shape))
    return dict(rle.encode(np.asfortranarray(pixels.view(np.uint8))))


def _eroded(pixels: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Return whether all pixels within `reach` in both directions are set, bool (H, W); pixels outside are unset."""
    eroded = np.pad(pixels, reach)
    for axis in (0, 1):
        sums = np.cumsum(eroded, axis=axis, dtype=np.int32)
        sums = np.insert(sums, 0, 0, axis=axis)
        size = eroded.shape[axis] - 2 * reach
        upper = np.take(sums, np.arange(2 * reach + 1, 2 * reach + 1 + size), axis=axis)
        eroded = upper - np.take(sums, np.arange(size), axis=axis) == 2 * reach + 1
    return eroded


class QuietEval(COCOeval):  # type: ignore[misc]
    """pycocotools' evaluation, without the lines that it prints to stdout."""

    def evaluate(self) -> None:
        """Match detections and ground truths."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().evaluate()

    def accumulate(self, p: Any = None) -> None:
        """Compute precision and recall from the matches; `p` is pycocotools' own parameter."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().accumulate(p)


class BoundaryEval(QuietEval):
    """`QuietEval` with boundary IoU. Boundaries are computed only for pairs whose mask IoU reaches a threshold."""

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802, N803  pycocotools' names
        """Return the IoU of detections and ground truths of one image and category, (D, G)."""
        ious = super().computeIoU(imgId, catId)
        if not len(ious):
            return ious
        truths, detections = self._compared(imgId, catId)
        for d, g in np.argwhere(ious >= min(self.params.iouThrs)):
            if not truths[g].get("iscrowd"):
                boundary_iou = rle.iou([self._boundary(detections[d])], [self._boundary(truths[g])], [0])
                ious[d, g] = min(ious[d, g], boundary_iou[0, 0])
        return ious

    def _compared(self, image: int, category: int) -> tuple[list[Any], list[Any]]:
        """Return ground truths and detections in the order of the rows and columns of pycocotools' IoUs."""
        categories = [category] if self.params.useCats else self.params.catIds
        truths = [a for c in categories for a in self._gts[image, c]]
        detections = [a for c in categories for a in self._dts[image, c]]
        order = np.argsort([-d["score"] for d in detections], kind="mergesort")
        return truths, [detections[i] for i in order[: self.params.maxDets[-1]]]

    @staticmethod
    def _boundary(annotation: dict[str, Any]) -> dict[str, Any]:
        if "boundary" not in annotation:
            annotation["boundary"] = boundary(annotation["segmentation"])
        cached: dict[str, Any] = annotation["boundary"]
        return cached
