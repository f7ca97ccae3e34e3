"""The border between a model and the harness: what it returns is checked, clipped, renamed, and encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

from segharness.errors import ContractError
from segharness.records import Category
from segharness.rle import check


@dataclass(frozen=True)
class Detections:
    """The checked instances of one image, in the data set's terms; the columns of a predictions file.

    Attributes:
        category_ids: int32 (N,), the data set's.
        scores: float32 (N,).
        boxes: float32 (N, 4), x y w h.
        masks: N compressed COCO RLE counts, or None for a detector.
        dropped: instances whose label the data set does not annotate.
        clipped: boxes that reached over the border of the image.
    """

    category_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    masks: Sequence[bytes] | None
    dropped: int = 0
    clipped: int = 0


class Labels:
    """A model's labels -> a data set's category ids, by name and declared aliases.

    Raises:
        ContractError: the model's `categories` are not names, or none of them is a category of the data set.
    """

    def __init__(self, model_categories: Sequence[str], categories: Sequence[Category]) -> None:
        names = list(model_categories)
        if not names or not all(isinstance(name, str) for name in names):
            raise ContractError(f"`categories` must be a sequence of names, not {model_categories!r:.80}")
        by_name = {_plain(alias): c.id for c in categories for alias in c.aliases}
        by_name |= {_plain(c.name): c.id for c in categories}
        exact = {c.name: c.id for c in categories}
        self.size = len(names)
        self.ids = np.array([exact.get(name, by_name.get(_plain(name), -1)) for name in names], dtype=np.int64)
        self.known = self.ids >= 0
        for c in categories:
            if not 0 <= c.id < 2**31:
                raise ContractError(f"category `{c.name}` has the id {c.id}, which is not in 0..{2**31 - 1}")
        if not self.known.any():
            raise ContractError(
                f"none of its categories ({', '.join(names[:5])} ...) is one of the data set's "
                f"({', '.join(c.name for c in list(categories)[:5])} ...)"
            )


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")


def admit(found: Any, shape: tuple[int, int], labels: Labels) -> Detections:
    """Check one image's `Instances` and turn them into detections.

    Args:
        found: what the model returned for the image.
        shape: the image's (height, width).
        labels: how labels become category ids.

    Raises:
        ContractError: a rule of `Instances` is broken; the message names the rule and the first offender.
    """
    for name in ("boxes", "scores", "labels"):
        if not hasattr(found, name):
            raise ContractError(f"predict must return Instances; got {type(found).__name__} without `{name}`")
    boxes, scores = _floats(found.boxes, "boxes"), _floats(found.scores, "scores")
    index = _integers(found.labels)
    count = len(scores)
    if (
        scores.shape != (count,)
        or index.shape != (count,)
        or boxes.shape not in ([(count, 4)] if count else [(0, 4), (0,)])
    ):
        raise ContractError(f"boxes {boxes.shape}, scores {scores.shape}, labels {index.shape} disagree in length")
    boxes = boxes.reshape(count, 4)
    _finite(scores, "score")
    _finite(boxes, "box")
    if (inverted := np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))).size:
        raise ContractError(f"box {inverted[0]} is inverted: x1 y1 x2 y2 = {boxes[inverted[0]].tolist()}")
    if (unknown := np.flatnonzero((index < 0) | (index >= labels.size))).size:
        raise ContractError(f"label {index[unknown[0]]} of instance {unknown[0]} is not in 0..{labels.size - 1}")
    keep = labels.known[index] if count else np.zeros(0, dtype=bool)
    given = getattr(found, "masks", None)
    masks = None if given is None else _encode(given, shape, count, keep)
    height, width = shape
    limits = np.array([width, height, width, height], dtype=np.float32)
    inside = np.clip(boxes, 0, limits)
    clipped = int((inside != boxes).any(axis=1).sum())
    inside[:, 2:] -= inside[:, :2]
    return Detections(
        labels.ids[index[keep]].astype(np.int32), scores[keep], inside[keep], masks, int(count - keep.sum()), clipped
    )


def _floats(values: Any, what: str) -> npt.NDArray[np.float32]:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{what} are not numbers: {error}") from error


def _integers(values: Any) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ContractError(f"labels must be integers, not {array.dtype}")
    return array.astype(np.int64)


def _finite(values: npt.NDArray[np.float32], what: str) -> None:
    if not values.size:
        return
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if bad.size:
        raise ContractError(f"{what} {bad[0]} is not finite: {values[bad[0]].tolist()}")


def _encode(masks: Any, shape: tuple[int, int], count: int, keep: npt.NDArray[np.bool_]) -> list[bytes]:
    """Return compressed RLE counts of the kept masks."""
    if isinstance(masks, np.ndarray) or hasattr(masks, "__array__"):
        array = np.asarray(masks)
        if array.shape != (count, *shape) and not (count == 0 and array.size == 0):
            raise ContractError(f"masks have shape {array.shape}, not {(count, *shape)}")
        if count and array.dtype != np.bool_:
            raise ContractError(f"masks must be bool, not {array.dtype}")
        return [rle.encode(np.asfortranarray(mask).view(np.uint8))["counts"] for mask in array[keep[: len(array)]]]
    if len(masks) and all(isinstance(mask, np.ndarray) for mask in masks):
        shapes = {mask.shape for mask in masks}
        if shapes != {shape}:
            raise ContractError(f"masks have the shapes {sorted(shapes)}, the image {shape}")
        return _encode(np.stack(masks), shape, count, keep)
    if len(masks) != count:
        raise ContractError(f"{len(masks)} masks for {count} scores")
    return [_checked_counts(mask, shape, position) for position, mask in enumerate(masks) if keep[position]]


def _checked_counts(mask: Any, shape: tuple[int, int], position: int) -> bytes:
    if not isinstance(mask, dict) or "size" not in mask or "counts" not in mask:
        raise ContractError(f"mask {position} is neither bool (H, W) nor an RLE with `size` and `counts`")
    if tuple(mask["size"]) != shape:
        raise ContractError(f"mask {position} has size {tuple(mask['size'])}, the image {shape}")
    counts = mask["counts"]
    if isinstance(counts, str):
        counts = counts.encode()
    if not isinstance(counts, bytes):
        raise ContractError(
            f"mask {position}: RLE counts must be compressed (bytes or str), not {type(counts).__name__}"
        )
    try:
        check(counts, *shape)
    except ValueError as error:
        raise ContractError(f"mask {position}: {error}") from error
    return counts
