"""Pastes masks that are cropped to boxes into images, like the zoos' own code does. Needs numpy; Python 3.8 or later.

Both functions compute only the pixels of a box, in the arithmetic of the originals (float32, the same order of
operations), so their masks are equal to the pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_FARTHEST = 1e7
"""No coordinate in pixels is larger; nothing that far away is seen."""


def paste_object_detection(masks: Any, boxes: Any, size: Any, threshold: float) -> Any:
    """Paste like ``object_detection.utils.ops.reframe_box_masks_to_image_masks`` of the TF Object Detection API.

    That samples each mask, whose corners are those of the box, bilinearly at the image's corners and in even steps
    between them. Nothing is outside a box.

    Args:
        masks: float32 (N, m, n), probabilities.
        boxes: float32 (N, 4), y1 x1 y2 x2 as fractions of the image's sides.
        size: the image's (height, width).
        threshold: pixels of larger probability belong to the instance.

    Returns:
        bool (N, height, width).
    """
    pasted = np.zeros((len(masks), *size), dtype=bool)
    for target, mask, (y1, x1, y2, x2) in zip(pasted, masks, np.asarray(boxes, np.float32)):  # noqa: B905  as on 3.8
        rows, above, below, down = _steps(y1, y2, mask.shape[0], size[0])
        columns, left, right, across = _steps(x1, x2, mask.shape[1], size[1])
        if not len(rows) or not len(columns):
            continue
        upper = mask[above][:, left] + (mask[above][:, right] - mask[above][:, left]) * across
        lower = mask[below][:, left] + (mask[below][:, right] - mask[below][:, left]) * across
        target[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = (
            upper + (lower - upper) * down[:, None] > threshold
        )
    return pasted


def _steps(low: Any, high: Any, cells: int, pixels: int) -> Any:
    """Return the pixels along a side that a mask reaches, and for each two cells with the weight of the second."""
    one, last = np.float32(1), np.float32(cells - 1)
    side = np.maximum(high - low, np.float32(1e-4))
    begin, end = (np.float32(0) - low) / side, (one - low) / side
    index = np.arange(pixels)
    if pixels > 1:
        step = (end - begin) * last / np.float32(pixels - 1)
        places = begin * last + index.astype(np.float32) * step
    else:
        places = np.array([0.5 * float(begin + end) * float(last)], dtype=np.float32)
    inside = (places >= 0) & (places <= last)
    places = places[inside]
    first = np.floor(places)
    return index[inside], first.astype(np.int64), np.ceil(places).astype(np.int64), places - first


def paste_model_garden(masks: Any, boxes: Any, size: Any, threshold: float) -> Any:
    """Paste like ``official.vision.ops.mask_ops.paste_instance_masks`` of TensorFlow's Model Garden.

    That surrounds each mask with zeros, enlarges its box as much, cuts the box to whole pixels, and scales the mask to
    it with ``cv2.resize``. This is the arithmetic of OpenCV itself. On Intel's processors OpenCV may use the library
    IPP instead, whose values differ by some 1e-6: pixels of a probability that close to the threshold may differ.

    Args:
        masks: float32 (N, m, n), probabilities.
        boxes: float32 (N, 4), y1 x1 y2 x2 in pixels of the image.
        size: the image's (height, width).
        threshold: pixels of larger probability belong to the instance.

    Returns:
        bool (N, height, width).
    """
    pasted = np.zeros((len(masks), *size), dtype=bool)
    if not len(masks):
        return pasted
    rows, columns = masks.shape[1:]
    for target, mask, (y1, x1, y2, x2) in zip(pasted, masks, _enlarged(boxes, rows, columns)):  # noqa: B905  as on 3.8
        padded = np.zeros((rows + 2, columns + 2), dtype=np.float32)
        padded[1:-1, 1:-1] = mask
        down, across = _scaled(y1, y2, rows + 2, size[0], False), _scaled(x1, x2, columns + 2, size[1], True)
        if not len(down[0]) or not len(across[0]):
            continue
        window = (slice(down[0][0], down[0][-1] + 1), slice(across[0][0], across[0][-1] + 1))
        (_, above, below, lower), (_, left, right, later) = down, across
        one = np.float32(1)
        upper_row = padded[above][:, left] * (one - later) + padded[above][:, right] * later
        lower_row = padded[below][:, left] * (one - later) + padded[below][:, right] * later
        target[window] = upper_row * (one - lower)[:, None] + lower_row * lower[:, None] > threshold
    return pasted


def _enlarged(boxes: Any, rows: int, columns: int) -> Iterator[Any]:
    """Yield each box as whole y1 x1 y2 x2, enlarged by the border of zeros around its mask."""
    scale = max((columns + 2.0) / columns, (rows + 2.0) / rows)
    for box in np.asarray(boxes, np.float32):
        low, high = box[:2], box[2:]
        half = (high - low) * np.float32(0.5)
        centre, half = low + half, half * np.float32(scale)
        ends = np.concatenate([centre - half, centre + half]).astype(np.float64)
        yield np.clip(ends, -_FARTHEST, _FARTHEST).astype(np.int64)


def _scaled(low: Any, high: Any, cells: int, pixels: int, across: bool) -> Any:
    """Return the pixels along a side that a scaled mask reaches, and for each two cells and the second's weight."""
    length = max(int(high) - int(low) + 1, 1)
    index = np.arange(min(max(int(low), 0), pixels), min(max(int(low) + length, 0), pixels))
    scale = 1.0 / (length / cells)
    places = ((index - int(low) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(places)
    weight, first = places - first, first.astype(np.int64)
    if across:  # rows beyond the first and last are mixed of two equal ones, which may change the last bit
        weight[(first < 0) | (first >= cells - 1)] = 0
    return index, np.clip(first, 0, cells - 1), np.clip(first + 1, 0, cells - 1), weight
