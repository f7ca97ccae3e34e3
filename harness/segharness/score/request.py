"""What an evaluation is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segharness.errors import UsageError, nearest
from segharness.suite import OVERALL, Split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from segharness.score.resample import Resamples


def check_split(split: Split, categories: Collection[str], dataset: str) -> None:
    """Raise UsageError if a split names a category that the data set does not have."""
    for name in split.categories:
        if name not in categories:
            raise UsageError(
                f"split `{split.name}`: data set `{dataset}` has no category `{name}`{nearest(name, categories)}"
            )


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of the images of a run.

    Attributes:
        content: what the data set returned (for ``"instances"`` a COCO dict), restricted to the images of the run.
        also: the further kinds that the metric's spec names, as far as the data set has them, by kind.
        prepared: an evaluation's own memory: what it derives from `content` once for all cells.
    """

    content: Mapping[str, Any]
    also: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prepared: dict[Any, Any] = field(default_factory=dict)


def _silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ScoreRequest:
    """One complete cell to score for one task.

    Attributes:
        ground_truth: of the kind that the metric's spec asks for.
        predictions: a table of `segharness.store.PREDICTIONS`, all shards of the cell in order.
        task: ``segm``, ``bbox`` ...
        splits: subsets of the categories to score besides all.
        engine: one of the engines that the metric's spec lists; None where it lists none.
        images: a table of `segharness.store.IMAGES`: timings, devices, what the model was given.
        options: the suite's, for this evaluation; checked by the spec's `configure` when the suite was read.
        resamples: the draws of the bootstrap; None without one.
        note: call it with a line that belongs beside the numbers, such as an engine that was replaced.
    """

    ground_truth: GroundTruth
    predictions: pa.Table
    task: str
    splits: Sequence[Split] = ()
    engine: str | None = None
    images: pa.Table | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    resamples: Resamples | None = None
    note: Callable[[str], None] = _silent


@dataclass(frozen=True)
class Score:
    """One number: a fraction (milliseconds and frames a second apart), or None with the reason.

    `samples` is the same number on each of the request's resamples, float64 (B,), NaN where it is undefined: intervals,
    and those of everything derived from it, are taken from them. `device` names what a timing was taken on.
    """

    metric: str
    value: float | None
    reason: str | None = None
    split: str = OVERALL
    category: str | None = None
    n_images: int | None = None
    n_instances: int | None = None
    samples: npt.NDArray[np.float64] | None = None
    device: str | None = None
