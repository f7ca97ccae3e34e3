"""Turns a map of labels (a whole number per pixel) into the region of every label, in COCO's run-length encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle


@dataclass(frozen=True)
class Mask:
    """A region of an image.

    Attributes:
        counts: the compressed counts of its RLE.
        area: its number of pixels.
        bbox: its bounding box (x, y, width, height), in pixels.
    """

    counts: bytes
    area: int
    bbox: tuple[float, float, float, float]


class LabelMap:
    """The regions of a map of labels; all of them are computed in one pass.

    Args:
        labels: integers (H, W).

    Attributes:
        values: the labels that occur, sorted.

    Example:
        >>> LabelMap(np.array([[0, 7], [0, 7]])).mask(7).bbox
        (1.0, 0.0, 1.0, 2.0)
    """

    def __init__(self, labels: npt.NDArray[Any]) -> None:
        self._size = [int(side) for side in labels.shape]
        flat = np.ascontiguousarray(labels.T).ravel()
        starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        self._starts = np.concatenate([[0], starts]) if flat.size else starts
        self._ends = np.append(self._starts[1:], flat.size) if flat.size else starts
        values = flat[self._starts]
        self.values: npt.NDArray[Any]
        self.values, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        self._runs = dict(zip(self.values.tolist(), np.split(order, np.cumsum(counts)[:-1]), strict=True))

    def mask(self, *labels: int) -> Mask:
        """Return the region of a label, or the union of several.

        Raises:
            KeyError: no pixel has one of the labels.
        """
        runs = np.sort(np.concatenate([self._runs[label] for label in labels]))
        starts, ends = self._starts[runs], self._ends[runs]
        apart = np.flatnonzero(starts[1:] != ends[:-1])  # runs of several labels may touch
        starts, ends = starts[np.concatenate([[0], apart + 1])], ends[np.append(apart, len(ends) - 1)]
        edges = np.stack([starts, ends], axis=1).ravel()
        rest = self._size[0] * self._size[1] - edges[-1]
        # COCO's counts do not end with an empty run
        lengths = np.diff(edges, prepend=0).tolist() + ([int(rest)] if rest else [])
        encoded = rle.fr_py_objects({"size": self._size, "counts": lengths}, *self._size)
        x, y, w, h = (float(side) for side in rle.to_bbox(encoded))
        return Mask(encoded["counts"], int((ends - starts).sum()), (x, y, w, h))
