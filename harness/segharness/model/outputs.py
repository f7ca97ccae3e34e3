"""Checks what a model returns, clips boxes, maps labels to categories and encodes masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

from segharness.errors import ContractError, coded
from segharness.masks import check_counts
from segharness.model.labels import Labels
from segharness.model.prompts import ImagePrompts
from segharness.records import Detections, NetworkInput

LARGEST_BOX = 1e7
"""No coordinate of a stored box, in pixels, is larger."""


def validate_instances(instances: Any, shape: tuple[int, int], labels: Labels) -> Detections:
    """Check the `Instances` of an image and convert them to detections.

    Instances of labels that the data set does not have are dropped and counted. Boxes are clipped to the image.

    Args:
        instances: what the model returned for the image.
        shape: the image's (height, width).
        labels: maps labels to category ids.

    Raises:
        ContractError: a rule of `Instances` is broken. The message names the rule and the first offender.
    """
    _check_attributes(instances, ("boxes", "scores", "labels"))
    boxes, scores = _floats(instances.boxes, "boxes"), _floats(instances.scores, "scores")
    label_indices = _integers(instances.labels)
    count = len(scores)
    if (
        scores.shape != (count,)
        or label_indices.shape != (count,)
        or boxes.shape not in ([(count, 4)] if count else [(0, 4), (0,)])
    ):
        raise ContractError(
            f"boxes {boxes.shape}, scores {scores.shape}, labels {label_indices.shape} disagree in length"
        )
    boxes = boxes.reshape(count, 4)
    _check_finite(scores, "score")
    _check_finite(boxes, "box")
    if (inverted := np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))).size:
        raise ContractError(f"box {inverted[0]} is inverted: x1 y1 x2 y2 = {boxes[inverted[0]].tolist()}")
    if (unknown := np.flatnonzero((label_indices < 0) | (label_indices >= labels.size))).size:
        raise ContractError(
            f"label {label_indices[unknown[0]]} of instance {unknown[0]} is not in 0..{labels.size - 1}"
        )
    keep = labels.known[label_indices] if count else np.zeros(0, dtype=bool)
    raw_masks = getattr(instances, "masks", None)
    masks = None if raw_masks is None else _encode(raw_masks, shape, count, keep)
    height, width = shape
    limits = np.array([width, height, width, height], dtype=np.float32)
    inside = np.clip(boxes, 0, limits)
    clipped = int((inside != boxes).any(axis=1).sum())
    inside[:, 2:] -= inside[:, :2]
    return Detections(
        labels.ids[label_indices[keep]].astype(np.int32),
        scores[keep].astype(np.float64),
        inside[keep].astype(np.float64),
        masks,
        int(count - keep.sum()),
        clipped,
        network_input=_network_input(instances),
    )


def validate_prompted(instances: Any, shape: tuple[int, int], prompts: ImagePrompts) -> Detections:
    """Check the `Instances` that answer prompts. Each gets the category of the annotation that its prompt is from.

    Args:
        instances: what the model returned for the image. Labels are ignored; boxes and scores may be None.
        shape: the image's (height, width).
        prompts: the N prompts of the image.

    Raises:
        ContractError: there are not N masks, or a rule of `Instances` is broken.
    """
    count = len(prompts.annotation_ids)
    _check_attributes(instances, ("masks",))
    if instances.masks is None:
        raise ContractError("an answer to prompts needs `masks`")
    if len(instances.masks) != count:
        raise ContractError(f"{len(instances.masks)} masks for {count} prompts")
    keep = np.ones(count, dtype=bool)
    masks = _encode(instances.masks, shape, count, keep)
    scores = (
        None if getattr(instances, "scores", None) is None else _floats(instances.scores, "scores").astype(np.float64)
    )
    if scores is not None:
        if scores.shape != (count,):
            raise ContractError(f"scores {scores.shape} for {count} prompts")
        _check_finite(scores, "score")
    rles = [{"size": list(shape), "counts": counts} for counts in masks]
    boxes = np.asarray(rle.to_bbox(rles), dtype=np.float64).reshape(count, 4)
    return Detections(
        prompts.category_ids,
        scores,
        boxes,
        masks,
        annotation_ids=prompts.annotation_ids,
        network_input=_network_input(instances),
    )


def validate_stored(detections: Detections, shape: tuple[int, int], known: Collection[int]) -> Detections:
    """Check stored detections and drop those of categories that the data set does not have. Boxes stay unchanged.

    Args:
        detections: the stored detections of an image.
        shape: the image's (height, width).
        known: the category ids of the data set.

    Raises:
        ContractError: lengths disagree, numbers are not finite, boxes have negative sides, or masks have another size.
    """
    count = len(detections.category_ids)
    scores = np.asarray(detections.scores, dtype=np.float64)
    boxes = np.asarray(detections.boxes, dtype=np.float64).reshape(-1, 4)
    if len(scores) != count or len(boxes) != count or (detections.masks is not None and len(detections.masks) != count):
        raise ContractError(f"{count} categories, {len(scores)} scores, {len(boxes)} boxes disagree in length")
    _check_finite(scores, "score")
    _check_finite(boxes, "box")
    if (inverted := np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))).size:
        raise ContractError(f"box {inverted[0]} has a negative side: x y w h = {boxes[inverted[0]].tolist()}")
    if (distant := np.flatnonzero((np.abs(boxes) > LARGEST_BOX).any(axis=1))).size:
        raise ContractError(f"box {distant[0]} has a coordinate over {LARGEST_BOX:.0e}: {boxes[distant[0]].tolist()}")
    keep = np.isin(np.asarray(detections.category_ids), list(known))
    masks = None if detections.masks is None else _encode(detections.masks, shape, count, keep)
    ids = np.asarray(detections.category_ids)[keep].astype(np.int32)
    return Detections(ids, scores[keep], boxes[keep], masks, int(count - keep.sum()))


def check_unscaled(network_input: NetworkInput | None, shape: tuple[int, int]) -> None:
    """Raise ContractError if an image, of (height, width), entered the network at another size than its own."""
    if network_input is not None and network_input.content != tuple(shape):
        rows, columns = network_input.content
        raise ContractError(
            f"under `resolution: original` the network was given {rows}x{columns} of an image of {shape[0]}x{shape[1]}"
        )


def _network_input(instances: Any) -> NetworkInput | None:
    """Return what a model says that its network was given, checked; None if it says nothing."""
    value = getattr(instances, "network_input", None)
    if value is None:
        return None
    try:
        height, width, interpolation, padding = value
        network_input = NetworkInput(int(height), int(width), str(interpolation), tuple(map(int, padding)))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ContractError(f"network_input is {value!r:.80}, not (height, width, interpolation, padding)") from error
    if (problem := network_input.problem()) is not None:
        raise ContractError(f"network_input is {value!r:.80}: {problem}")
    return network_input


def _check_attributes(instances: Any, names: Sequence[str]) -> None:
    """Raise ContractError if an answer lacks an attribute; the message says what it is and what would be right."""
    lacking = [name for name in names if not hasattr(instances, name)]
    if not lacking:
        return
    kind = type(instances).__name__
    got = f"{'an' if kind[:1] in 'aeiouAEIO' else 'a'} {kind}" if instances is not None else "None"
    if isinstance(instances, Mapping):
        keys = ", ".join(f"`{key}`" for key in list(instances)[:6])
        with_keys = f"the keys {keys}" if keys else "no keys"
        hint = f" with {with_keys}: make an Instances of it, whose attributes are boxes, scores, labels, masks"
    elif isinstance(instances, (list, tuple)):
        hint = f" of {len(instances)}: one image has one Instances, which holds all of its objects"
    else:
        hint = f", which has no {' or '.join(f'`{name}`' for name in lacking)}"
    raise ContractError(coded("T11", f"predict must return an Instances for each image; got {got}{hint}"))


def _floats(values: Any, name: str) -> npt.NDArray[np.float32]:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{name} are not numbers: {error}") from error


def _integers(values: Any) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ContractError(f"labels must be integers, not {array.dtype}")
    return array.astype(np.int64)


def _check_finite(values: npt.NDArray[Any], name: str) -> None:
    if not values.size:
        return
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if bad.size:
        raise ContractError(f"{name} {bad[0]} is not finite: {values[bad[0]].tolist()}")


def _encode(masks: Any, shape: tuple[int, int], count: int, keep: npt.NDArray[np.bool_]) -> list[bytes]:
    """Return the compressed RLE counts of the masks for which `keep` is true."""
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
    return [_checked_counts(mask, shape, index) for index, mask in enumerate(masks) if keep[index]]


def _checked_counts(mask: Any, shape: tuple[int, int], index: int) -> bytes:
    """Return the counts of an RLE after checking them."""
    if not isinstance(mask, dict) or "size" not in mask or "counts" not in mask:
        raise ContractError(f"mask {index} is neither bool (H, W) nor an RLE with `size` and `counts`")
    if tuple(mask["size"]) != shape:
        raise ContractError(f"mask {index} has size {tuple(mask['size'])}, the image {shape}")
    counts = mask["counts"]
    if isinstance(counts, str):
        counts = counts.encode()
    if not isinstance(counts, bytes):
        raise ContractError(f"mask {index}: RLE counts must be compressed (bytes or str), not {type(counts).__name__}")
    try:
        check_counts(counts, *shape)
    except ValueError as error:
        raise ContractError(f"mask {index}: {error}") from error
    return counts
