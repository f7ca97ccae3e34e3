"""Boxes around masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def boxes_of(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the smallest boxes around masks (N, H, W): float32 (N, 4), x1 y1 x2 y2 in pixels; 0 for an empty mask."""
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
