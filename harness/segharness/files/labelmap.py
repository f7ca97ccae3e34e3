"""A map of labels, one whole number a pixel -> the region of every label, as COCO's run-length encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle


@dataclass(frozen=True)
class Mask:
    """A region of an image: its compressed RLE counts, pixels, and box (x, y, w, h)."""

    counts: bytes
    area: int
    bbox: tuple[float, float, float, float]


class LabelMap:
    """The runs of equal labels down the columns of a map, found in one pass.

    Args:
        labels: integers (H, W).
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
        """Return the region of a label, or of several together.

        Raises:
            KeyError: none of the pixels has a label.
        """
        runs = np.sort(np.concatenate([self._runs[label] for label in labels]))
        starts, ends = self._starts[runs], self._ends[runs]
        apart = np.flatnonzero(starts[1:] != ends[:-1])  # runs of several labels may touch
        starts, ends = starts[np.concatenate([[0], apart + 1])], ends[np.append(apart, len(ends) - 1)]
        edges = np.stack([starts, ends], axis=1).ravel()
        rest = self._size[0] * self._size[1] - edges[-1]
        lengths = np.diff(edges, prepend=0).tolist() + ([int(rest)] if rest else [])  # COCO's ends with no empty run
        found = rle.fr_py_objects({"size": self._size, "counts": lengths}, *self._size)
        x, y, w, h = (float(side) for side in rle.to_bbox(found))
        return Mask(found["counts"], int((ends - starts).sum()), (x, y, w, h))
