"""Decodes network outputs into instances: scores, suppression, boxes and masks at the image's own resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from segharness import ContractError, Instances, NetworkInput

from segharness_yolo.layout import END2END, OBJECTNESS, Layout, Outputs
from segharness_yolo.network import Floats

_PAD = 114 / 255
_MOST_CANDIDATES = 30_000


@dataclass(frozen=True)
class Letterbox:
    """How an image lies in the network's input: scaled without distortion, with gray bars around it.

    Attributes:
        scale: input pixels per image pixel.
        left, top: the widths of the bars in input pixels.
        height, width: the size of the image.
        rows, columns: the size of the image in the input.
    """

    scale: float
    left: int
    top: int
    height: int
    width: int
    rows: int
    columns: int

    def network_input(self, height: int, width: int) -> NetworkInput:
        """Return what a network of (height, width) is given."""
        how = "none" if (self.rows, self.columns) == (self.height, self.width) else "bilinear"
        bars = (self.top, height - self.top - self.rows, self.left, width - self.left - self.columns)
        return NetworkInput(height, width, how, bars)


def letterbox(image: npt.NDArray[np.uint8], height: int, width: int) -> tuple[Floats, Letterbox]:
    """Return the input for a network of (height, width), float32 in [0, 1], and how the image lies in it."""
    scale = min(height / image.shape[0], width / image.shape[1])
    new_height, new_width = round(image.shape[0] * scale), round(image.shape[1] * scale)
    top, left = round((height - new_height) / 2 - 0.1), round((width - new_width) / 2 - 0.1)
    resized: npt.NDArray[Any] = image
    if (new_height, new_width) != image.shape[:2]:
        resized = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((height, width, 3), np.float32(_PAD), dtype=np.float32)
    canvas[top : top + new_height, left : left + new_width] = resized.astype(np.float32) / np.float32(255)
    return canvas, Letterbox(scale, left, top, image.shape[0], image.shape[1], new_height, new_width)


@dataclass(frozen=True)
class Thresholds:
    """Which detections are kept.

    Attributes:
        confidence: class scores must be greater.
        iou: of boxes of a class whose IoU is greater, only the best is kept.
        most: the largest number per image.
        crop: as in `paste`.
    """

    confidence: float
    iou: float
    most: int
    crop: str = "box"


def decode(outputs: Outputs, box: Letterbox, size: tuple[int, int], layout: Layout, keep: Thresholds) -> Instances:
    """Return the instances of one image.

    Args:
        outputs: the network's outputs.
        box: how the image lies in the input.
        size: (height, width) of the input.
        layout: what the rows of the outputs are.
        keep: the thresholds.

    Raises:
        ContractError: the unit of the boxes was assumed, and these are of the other one.
    """
    if layout.form == END2END:
        anchors, labels, scores, corners = _final(outputs.rows, keep)
        _check_units(corners, size, layout)
    else:
        anchors, labels, scores = _candidates(_scores(outputs.rows, layout), keep)
        corners = _corners(outputs.rows[anchors, :4])
        chosen = suppress(corners, scores, labels, keep)
        anchors, labels, scores, corners = anchors[chosen], labels[chosen], scores[chosen], corners[chosen]
    offset = np.array([box.left, box.top] * 2, dtype=np.float32)
    limits = np.array([box.width, box.height] * 2, dtype=np.float32)
    boxes = np.clip((corners - offset) / np.float32(box.scale), 0, limits)
    if outputs.prototypes is None:
        return Instances(boxes, scores, labels)
    coefficients = outputs.rows[anchors, outputs.rows.shape[1] - layout.coefficients :]
    return Instances(boxes, scores, labels, paste(outputs.prototypes, coefficients, boxes, box, size, keep.crop))


def _scores(rows: Floats, layout: Layout) -> Floats:
    """Return the class scores of rows, (A, C)."""
    if layout.form == OBJECTNESS:
        return rows[:, 4:5] * rows[:, 5 : 5 + layout.classes]
    return rows[:, 4 : 4 + layout.classes]


def _final(rows: Floats, keep: Thresholds) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats, Floats]:
    """Return row, label, score and corners of the detections of an export with suppression in its graph, best first."""
    kept = np.flatnonzero(rows[:, 4] > keep.confidence)
    kept = kept[np.argsort(-rows[kept, 4], kind="stable")][: keep.most]
    return kept, np.rint(rows[kept, 5]).astype(np.int64), rows[kept, 4], rows[kept, :4]


def _check_units(corners: Floats, size: tuple[int, int], layout: Layout) -> None:
    """Refuse boxes that are not of the unit that was assumed when the file was opened."""
    if not layout.assumed or not len(corners):
        return
    unit = np.array([size[1], size[0]] * 2, dtype=np.float32) if layout.fractions else np.float32(1)
    largest = float(np.abs(corners / unit).max())  # as the network gave them
    if (largest > 2) == layout.fractions:
        wrong, right = ("fractions", "pixels") if layout.fractions else ("pixels", "fractions of the input")
        raise ContractError(
            f"the boxes were taken for {wrong}, and are {right}: the network found nothing in the probes"
        )


def _candidates(scores: Floats, keep: Thresholds) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return anchor, label and score of every class score over the threshold, best first; anchors may repeat."""
    anchors, labels = np.nonzero(scores > keep.confidence)
    kept = scores[anchors, labels]
    order = np.argsort(-kept, kind="stable")[:_MOST_CANDIDATES]
    return anchors[order], labels[order], kept[order]


def _corners(centres: Floats) -> Floats:
    half = centres[:, 2:] / 2
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


def suppress(corners: Floats, scores: Floats, labels: npt.NDArray[np.int64], keep: Thresholds) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes that survive greedy suppression within each class, best first.

    Args:
        corners: float32 (N, 4), x1 y1 x2 y2.
        scores: float32 (N,), in descending order.
        labels: int64 (N,); boxes of different labels do not compete.
        keep: the thresholds; at most `keep.most` boxes survive.
    """
    reach = float(np.abs(corners).max()) * 2 + 1 if len(corners) else 1.0
    apart = corners.astype(np.float64) + labels[:, None] * reach
    x1, y1, x2, y2 = apart.T
    areas = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    order = np.arange(len(scores))
    kept: list[int] = []
    while len(order) and len(kept) < keep.most:
        best, order = order[0], order[1:]
        kept.append(int(best))
        w = np.minimum(x2[best], x2[order]) - np.maximum(x1[best], x1[order])
        h = np.minimum(y2[best], y2[order]) - np.maximum(y1[best], y1[order])
        shared = np.maximum(w, 0) * np.maximum(h, 0)
        order = order[shared <= keep.iou * (areas[best] + areas[order] - shared)]
    return np.array(kept, dtype=np.int64)


def paste(
    prototypes: Floats, coefficients: Floats, boxes: Floats, box: Letterbox, size: tuple[int, int], crop: str
) -> npt.NDArray[np.bool_]:
    """Return the masks: bool (N, H, W) at the image's own resolution.

    A mask's logits are its coefficients over the prototypes, interpolated bilinearly at the centre of every image pixel
    (edges repeated) and cut at 0. Only pixels around the box are computed, as two small matrix products.

    Args:
        prototypes: float32 (K, h, w).
        coefficients: float32 (N, K).
        boxes: float32 (N, 4) in image pixels.
        box: how the image lies in the input.
        size: (height, width) of the input.
        crop: ``"prototype"`` zeroes the logits outside the box before they are interpolated, so that a mask may reach
            over its box by up to one and a half prototype pixels; ``"box"`` interpolates first and cuts a mask at its
            box.
    """
    masks = np.zeros((len(boxes), box.height, box.width), dtype=bool)
    if not len(boxes):
        return masks
    count, low_height, low_width = prototypes.shape
    logits = (coefficients @ prototypes.reshape(count, -1)).reshape(-1, low_height, low_width)
    down = _weights(box.height, box.scale, box.top, low_height / size[0], low_height)
    across = _weights(box.width, box.scale, box.left, low_width / size[1], low_width)
    margin = 0.0
    if crop == "prototype":
        shrink = np.array([low_width / size[1], low_height / size[0]] * 2, dtype=np.float32)
        low = (boxes * np.float32(box.scale) + np.array([box.left, box.top] * 2, dtype=np.float32)) * shrink
        x, y = np.arange(low_width), np.arange(low_height)
        inside_x = (x >= low[:, 0:1]) & (x < low[:, 2:3])
        inside_y = (y >= low[:, 1:2]) & (y < low[:, 3:4])
        logits = logits * (inside_y[:, :, None] & inside_x[:, None, :])
        margin = 1.5 / (float(shrink.min()) * box.scale)
    edges = np.concatenate([np.floor(boxes[:, :2] - margin), np.ceil(boxes[:, 2:] + margin)], axis=1).astype(np.int64)
    edges = np.clip(edges, 0, [box.width, box.height] * 2)
    for mask, logit, (x1, y1, x2, y2) in zip(masks, logits, edges.tolist(), strict=True):
        if x2 > x1 and y2 > y1:
            rows, columns = _span(down, y1, y2), _span(across, x1, x2)
            mask[y1:y2, x1:x2] = down[y1:y2, rows] @ logit[rows, columns] @ across[x1:x2, columns].T > 0
    return masks


def _span(weights: Floats, first: int, last: int) -> slice:
    """Return the range of prototype pixels that image pixels first..last - 1 depend on."""
    used = np.flatnonzero(weights[[first, last - 1]].any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1)


def _weights(length: int, scale: float, bar: int, shrink: float, low: int) -> Floats:
    """Return the interpolation weights (length, low) of one axis."""
    position = np.clip(((np.arange(length) + 0.5) * scale + bar) * shrink - 0.5, 0, low - 1)
    left = np.minimum(position.astype(np.int64), low - 2)
    share = position - left
    weights = np.zeros((length, low), dtype=np.float32)
    rows = np.arange(length)
    weights[rows, left] = 1 - share
    weights[rows, left + 1] += share
    return weights
