"""Stored predictions are held to the rules of a model's answers when they are read: a file may come from anybody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segharness.masks import first_wrong_counts
from segharness.records import NetworkInput, Sample
from segharness.store import StoredShard

LARGEST_BOX = 1e7
"""No coordinate of a box, in pixels, is larger."""


def shard_problem(
    shard: StoredShard,
    samples: Sequence[Sample],
    category_ids: Collection[int],
    annotation_ids: Callable[[], Collection[int]],
) -> str | None:
    """Return what is wrong with the content of a stored shard, or None.

    Args:
        shard: its two tables, verified to be intact.
        samples: the images of the shard, in order.
        category_ids: those of the data set.
        annotation_ids: returns those of its ground truth; called only for predictions that answer prompts.
    """
    return _images_problem(shard, samples) or _predictions_problem(shard, samples, category_ids, annotation_ids)


def _images_problem(shard: StoredShard, samples: Sequence[Sample]) -> str | None:
    images = shard.images
    if images.column("image_id").to_pylist() != [sample.image_id for sample in samples]:
        return "its images are not those of the data set's shard"
    for name in ("height", "width"):
        if images.column(name).to_pylist() != [getattr(sample, name) for sample in samples]:
            return f"its images have another {name} than the data set's"
    for name in ("n_instances", "dropped", "clipped", "batch", "call"):
        if (pc.min(images.column(name)).as_py() or 0) < 0:
            return f"`{name}` is negative"
    seconds = images.column("seconds").drop_null().to_numpy()
    if len(seconds) and not (np.isfinite(seconds) & (seconds >= 0)).all():
        return "`seconds` is no time"
    if not set(images.column("prompt").to_pylist()) <= {None, "boxes", "points"}:
        return "`prompt` is neither boxes nor points"
    return _network_inputs_problem(images)


def _network_inputs_problem(images: pa.Table) -> str | None:
    columns = [images.column(name) for name in ("input_height", "input_width", "interpolation", "padding")]
    if len({tuple(column.is_null().to_pylist()) for column in columns}) > 1:
        return "an image has only a part of what entered the network"
    for values in set(zip(*(map(_hashable, column.drop_null().to_pylist()) for column in columns), strict=True)):
        if None in values[3] or NetworkInput(*values).problem() is not None:
            return f"{values!r:.80} is no input of a network"
    return None


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _predictions_problem(
    shard: StoredShard,
    samples: Sequence[Sample],
    category_ids: Collection[int],
    annotation_ids: Callable[[], Collection[int]],
) -> str | None:
    predictions = shard.predictions
    ids = predictions.column("image_id").to_numpy()
    known = np.array([sample.image_id for sample in samples], dtype=np.int64)
    order = np.argsort(known, kind="stable")
    position = np.searchsorted(known, ids, sorter=order)
    in_range = position < len(known)
    if len(ids) and not (in_range.all() and (known[order[np.where(in_range, position, 0)]] == ids).all()):
        return "it has predictions of images that are not in its shard"
    image = order[position] if len(ids) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(image, minlength=len(known))
    if counts.tolist() != shard.images.column("n_instances").to_pylist():
        return "its images have other numbers of instances than its predictions"
    if not pc.all(
        pc.is_in(predictions.column("category_id"), pa.array(sorted(category_ids), pa.int32()))
    ).as_py() and len(ids):
        return "it has a category that is not one of the data set's"
    if shard.predictable is not None and not shard.predictable >= set(
        predictions.column("category_id").unique().to_pylist()
    ):
        return "it has a category for which its model has no label"
    return (
        _numbers_problem(predictions, shard.images, image)
        or _masks_problem(predictions, samples, image)
        or _prompts_problem(predictions, annotation_ids)
    )


def _numbers_problem(predictions: pa.Table, images: pa.Table, image: np.ndarray) -> str | None:
    scores = predictions.column("score")
    if scores.null_count:
        prompted = np.array([prompt is not None for prompt in images.column("prompt").to_pylist()])
        if not prompted[image[scores.is_null().to_numpy()]].all():
            return "a prediction without a prompt has no score"
    if not np.isfinite(scores.drop_null().to_numpy()).all():
        return "a score is not finite"
    boxes = predictions.column("bbox").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, 4)
    if not np.isfinite(boxes).all() or (np.abs(boxes) > LARGEST_BOX).any():
        return f"a box is not finite, or has a coordinate over {LARGEST_BOX:.0e}"
    if (boxes[:, 2:] < 0).any():
        return "a box has a negative side"
    return None


def _masks_problem(predictions: pa.Table, samples: Sequence[Sample], image: np.ndarray) -> str | None:
    masks = predictions.column("mask").combine_chunks()
    if masks.null_count == len(masks):
        return None
    if masks.null_count:
        return "some predictions have masks and some have none"
    pixels = np.array([sample.height * sample.width for sample in samples], dtype=np.int64)
    if wrong := first_wrong_counts(masks, pixels[image]):
        row, problem = wrong
        return f"mask {row}: {problem}"
    return None


def _prompts_problem(predictions: pa.Table, annotation_ids: Callable[[], Collection[int]]) -> str | None:
    prompts = predictions.column("annotation_id").drop_null()
    if len(prompts) and not set(prompts.to_pylist()) <= set(annotation_ids()):
        return "it answers an annotation that the data set does not have"
    return None
