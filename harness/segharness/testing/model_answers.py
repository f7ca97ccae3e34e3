"""What a model answered for an image, as arrays that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.masks import to_pixels

Boxes = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """The instances of an image.

    Attributes:
        boxes: float64 (N, 4) as they were given, or None.
        scores: float64 (N,), or None.
        labels: int64 (N,), or None.
        masks: bool (N, h, w) of whatever size they were given in, or None without masks, or if they have several sizes.
    """

    boxes: Boxes | None
    scores: npt.NDArray[np.float64] | None
    labels: npt.NDArray[np.int64] | None
    masks: Masks | None

    def __len__(self) -> int:
        return next((len(part) for part in (self.scores, self.masks, self.boxes) if part is not None), 0)

    def best(self, count: int = 20) -> Answer:
        """Return the instances of the highest scores."""
        if self.scores is None or len(self.scores) <= count:
            return self
        kept = np.argsort(-self.scores, kind="stable")[:count]
        parts = (self.boxes, self.scores, self.labels, self.masks)
        return Answer(*(part[kept] if part is not None else None for part in parts))  # type: ignore[arg-type]


def answer_of(instances: Any) -> Answer:
    """Return an `Instances` as arrays; what cannot be read as the right kind of array, or has another length, is None."""
    boxes = _array(getattr(instances, "boxes", None), np.float64)
    scores = _array(getattr(instances, "scores", None), np.float64)
    labels = _array(getattr(instances, "labels", None), np.int64)
    masks = _masks(getattr(instances, "masks", None))
    count = len(scores) if scores is not None and scores.ndim == 1 else None
    return Answer(
        boxes if boxes is not None and boxes.shape == (count or len(boxes), 4) else None,
        scores if count is not None else None,
        labels if labels is not None and labels.ndim == 1 and count in (None, len(labels)) else None,
        masks if masks is not None and count in (None, len(masks)) else None,
    )


def as_numbers(value: Any) -> npt.NDArray[np.float64] | None:
    """Return a value as an array of numbers; None if it is none, such as a list of RLEs."""
    try:
        return None if value is None else np.asarray(value, dtype=np.float64)
    except Exception:  # noqa: BLE001  a tensor of a model may raise anything
        return None


def _array(value: Any, dtype: Any) -> Any:
    numbers = as_numbers(value)
    if numbers is None or (np.issubdtype(dtype, np.integer) and not np.isfinite(numbers).all()):
        return None
    return numbers.astype(dtype)


def _masks(value: Any) -> Masks | None:
    try:
        if value is None:
            return None
        if isinstance(value, (list, tuple)) and value and hasattr(value[0], "keys"):
            return np.array([to_pixels(rle, *rle["size"]) for rle in value], dtype=bool)
        array = np.array(value)
        return array.astype(bool) if array.ndim == 3 else None
    except Exception:  # noqa: BLE001  a mask of a model may be anything
        return None


def mask_boxes(masks: Masks) -> Boxes:
    """Return the boxes around masks, float64 (N, 4) x1 y1 x2 y2; NaN for masks without a pixel."""
    boxes = np.full((len(masks), 4), np.nan)
    for number, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size:
            boxes[number] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def box_iou(first: Boxes, second: Boxes) -> npt.NDArray[np.float64]:
    """Return the IoU of N boxes with M others, (N, M); 0 where a box has a negative side or is NaN.

    Example:
        >>> box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 4], [4, 4, 5, 5]])).tolist()
        [[0.5, 0.0]]
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    with np.errstate(invalid="ignore", divide="ignore"):
        overlap = np.clip(high - low, 0, None).prod(axis=2)
        areas = [
            np.where((b[:, 2:] >= b[:, :2]).all(axis=1), (b[:, 2:] - b[:, :2]).prod(axis=1), np.nan)
            for b in (first, second)
        ]
        iou = overlap / (areas[0][:, None] + areas[1][None, :] - overlap)
    result: npt.NDArray[np.float64] = np.nan_to_num(iou, nan=0.0)
    return result


def mask_iou(first: Masks, second: Masks) -> npt.NDArray[np.float64]:
    """Return the IoU of N masks with M others of the same size, (N, M); two without a pixel are the same."""
    a, b = first.reshape(len(first), -1).astype(np.float32), second.reshape(len(second), -1).astype(np.float32)
    overlap = a @ b.T
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - overlap
    result: npt.NDArray[np.float64] = np.divide(overlap, union, out=np.ones_like(overlap), where=union > 0).astype(
        float
    )
    return result


def overlaps(first: Answer, second: Answer) -> npt.NDArray[np.float64]:
    """Return the IoU of all instances of two answers: of their masks if both have some, else of their boxes."""
    if first.masks is not None and second.masks is not None and first.masks.shape[1:] == second.masks.shape[1:]:
        return mask_iou(first.masks, second.masks)
    if first.boxes is None or second.boxes is None:
        return np.zeros((len(first), len(second)))
    return box_iou(first.boxes.reshape(-1, 4), second.boxes.reshape(-1, 4))


def difference(first: Answer, second: Answer, score: float = 0.02, iou: float = 0.9) -> str | None:
    """Return how two answers for one image differ, or None if every confident instance of one is in the other.

    Instances in the lowest tenth of the scores are not looked for, since rounding decides whether they are there.

    Args:
        first, second: the answers.
        score: scores may differ by so much.
        iou: the same instance has at least this IoU.
    """
    if not len(first) and not len(second):
        return None
    for a, b, where in ((first, second, "the second time"), (second, first, "the first time")):
        confident = a.best()
        if not len(confident):
            continue
        shared = overlaps(confident, b) >= iou
        if confident.labels is not None and b.labels is not None:
            shared &= confident.labels[:, None] == b.labels[None, :]
        if confident.scores is not None and b.scores is not None:
            shared &= np.abs(confident.scores[:, None] - b.scores[None, :]) <= score
            low = confident.scores.min() + 0.1 * float(np.ptp(confident.scores))
            wanted = confident.scores >= low if len(confident) > 1 else np.ones(len(confident), dtype=bool)
        else:
            wanted = np.ones(len(confident), dtype=bool)
        lacking = np.flatnonzero(wanted & ~shared.any(axis=1))
        if lacking.size:
            number = int(lacking[0])
            named = f" of label {confident.labels[number]}" if confident.labels is not None else ""
            scored = f" and score {confident.scores[number]:.3f}" if confident.scores is not None else ""
            return f"an instance{named}{scored} is not there {where}"
    return None
