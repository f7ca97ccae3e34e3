"""Stored predictions are held to the rules of a model's answers when they are read: a file may come from anybody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segharness.masks import first_wrong_counts
from segharness.records import NetworkInput, Sample
from segharness.store import StoredShard

LARGEST_BOX = 1e7
"""No coordinate of a box, in pixels, is larger."""


@dataclass(frozen=True)
class ShardProblem:
    """A rule that a stored shard breaks.

    Attributes:
        file: ``images`` or ``predictions``.
        row: the first row of that file that breaks it, from 0; None if no row is to blame.
        rule: what is wrong, in one line.
        rows: how many rows break it.
    """

    file: str
    row: int | None
    rule: str
    rows: int = 1


def shard_problem(
    shard: StoredShard,
    samples: Sequence[Sample],
    category_ids: Collection[int],
    annotation_ids: Callable[[], Collection[int]],
) -> str | None:
    """Return what is wrong with the content of a stored shard, or None. The arguments are those of `shard_problems`."""
    first = next(shard_problems(shard, samples, category_ids, annotation_ids), None)
    return None if first is None else first.rule


def shard_problems(
    shard: StoredShard,
    samples: Sequence[Sample],
    category_ids: Collection[int],
    annotation_ids: Callable[[], Collection[int]],
) -> Iterator[ShardProblem]:
    """Yield every rule that the content of a stored shard breaks.

    Args:
        shard: its two tables, verified to be intact.
        samples: the images of the shard, in order.
        category_ids: those of the data set.
        annotation_ids: returns those of its ground truth; called only for predictions that answer prompts.
    """
    listed = shard.images.column("image_id").to_pylist()
    if listed != (wanted := [sample.image_id for sample in samples]):
        differing = (n for n, pair in enumerate(zip(listed, wanted, strict=False)) if pair[0] != pair[1])
        row = next(differing, min(len(listed), len(wanted)))
        yield ShardProblem("images", row, "its images are not those of the data set's shard")
        return
    yield from _images_problems(shard.images, samples)
    yield from _predictions_problems(shard, samples, category_ids, annotation_ids)


def _broken(file: str, wrong: Any, rule: str) -> Iterator[ShardProblem]:
    """Yield the problem of the rows that are true in a mask, if there are any."""
    rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
    if len(rows):
        yield ShardProblem(file, int(rows[0]), rule, len(rows))


def _images_problems(images: pa.Table, samples: Sequence[Sample]) -> Iterator[ShardProblem]:
    for name in ("height", "width"):
        wanted = np.array([getattr(sample, name) for sample in samples])
        differs = images.column(name).to_numpy() != wanted
        yield from _broken("images", differs, f"its images have another {name} than the data set's")
    for name in ("n_instances", "dropped", "clipped", "batch", "call"):
        yield from _broken("images", _filled(images, name, 0) < 0, f"`{name}` is negative")
    seconds = _filled(images, "seconds", 0.0)
    yield from _broken("images", ~(np.isfinite(seconds) & (seconds >= 0)), "`seconds` is no time")
    prompts = [prompt not in (None, "boxes", "points") for prompt in images.column("prompt").to_pylist()]
    yield from _broken("images", prompts, "`prompt` is neither boxes nor points")
    yield from _network_inputs_problems(images)


def _filled(content: pa.Table, column: str, value: float) -> np.ndarray:
    return np.asarray(content.column(column).fill_null(value).to_numpy())


def _network_inputs_problems(images: pa.Table) -> Iterator[ShardProblem]:
    columns = [images.column(name) for name in ("input_height", "input_width", "interpolation", "padding")]
    absent = np.array([column.is_null().to_pylist() for column in columns]).reshape(len(columns), -1)
    partly = absent.any(axis=0) & ~absent.all(axis=0)
    yield from _broken("images", partly, "an image has only a part of what entered the network")
    known: dict[Any, str | None] = {}
    for row, values in enumerate(zip(*(map(_hashable, column.to_pylist()) for column in columns), strict=True)):
        if None in values:
            continue
        if values not in known:
            wrong = None in values[3] or NetworkInput(*values).problem() is not None
            known[values] = f"{values!r:.80} is no input of a network" if wrong else None
            if wrong:
                yield ShardProblem("images", row, known[values] or "")


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _predictions_problems(
    shard: StoredShard,
    samples: Sequence[Sample],
    category_ids: Collection[int],
    annotation_ids: Callable[[], Collection[int]],
) -> Iterator[ShardProblem]:
    predictions = shard.predictions
    ids = predictions.column("image_id").to_numpy()
    known = np.array([sample.image_id for sample in samples], dtype=np.int64)
    order = np.argsort(known, kind="stable")
    position = np.searchsorted(known, ids, sorter=order)
    in_range = position < len(known)
    found = in_range & (known[order[np.where(in_range, position, 0)]] == ids) if len(ids) else in_range
    if not found.all():
        yield from _broken("predictions", ~found, "it has predictions of images that are not in its shard")
        return
    image = order[position] if len(ids) else np.zeros(0, dtype=np.int64)
    differs = np.bincount(image, minlength=len(known)) != shard.images.column("n_instances").to_numpy()
    yield from _broken("images", differs, "its images have other numbers of instances than its predictions")
    categories = predictions.column("category_id").to_numpy()
    strange = ~np.isin(categories, np.array(sorted(category_ids), dtype=np.int64))
    yield from _broken("predictions", strange, "it has a category that is not one of the data set's")
    if shard.predictable is not None:
        unlabelled = ~strange & ~np.isin(categories, np.array(sorted(shard.predictable), dtype=np.int64))
        yield from _broken("predictions", unlabelled, "it has a category for which its model has no label")
    yield from _numbers_problems(predictions, shard.images, image)
    yield from _masks_problems(predictions, samples, image)
    prompts = predictions.column("annotation_id")
    if prompts.null_count < len(prompts):
        answered = pa.array(sorted(annotation_ids()), pa.int64())
        strange = pc.and_(prompts.is_valid(), pc.invert(pc.is_in(prompts, answered)))
        yield from _broken(
            "predictions", strange.to_numpy(), "it answers an annotation that the data set does not have"
        )


def _numbers_problems(predictions: pa.Table, images: pa.Table, image: np.ndarray) -> Iterator[ShardProblem]:
    scores = predictions.column("score")
    if scores.null_count:
        prompted = np.array([prompt is not None for prompt in images.column("prompt").to_pylist()])
        lacking = scores.is_null().to_numpy() & ~prompted[image]
        yield from _broken("predictions", lacking, "a prediction without a prompt has no score")
    yield from _broken("predictions", ~np.isfinite(_filled(predictions, "score", 0.0)), "a score is not finite")
    boxes = predictions.column("bbox").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, 4)
    huge = ~np.isfinite(boxes) | (np.abs(boxes) > LARGEST_BOX)
    yield from _broken(
        "predictions", huge.any(axis=1), f"a box is not finite, or has a coordinate over {LARGEST_BOX:.0e}"
    )
    yield from _broken("predictions", (boxes[:, 2:] < 0).any(axis=1), "a box has a negative side")


def _masks_problems(predictions: pa.Table, samples: Sequence[Sample], image: np.ndarray) -> Iterator[ShardProblem]:
    masks = predictions.column("mask").combine_chunks()
    if masks.null_count == len(masks):
        return
    if masks.null_count:
        absent = masks.is_null().to_numpy(zero_copy_only=False)
        yield from _broken("predictions", absent, "some predictions have masks and some have none")
        return
    pixels = np.array([sample.height * sample.width for sample in samples], dtype=np.int64)
    if wrong := first_wrong_counts(masks, pixels[image]):
        row, problem = wrong
        yield ShardProblem("predictions", row, f"mask {row}: {problem}")
