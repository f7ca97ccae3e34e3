"""What a scoring protocol is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segharness.errors import UsageError, nearest
from segharness.suite import OVERALL, Split

if TYPE_CHECKING:
    import pyarrow as pa


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

    `content` is what the data set returned (for ``"instances"`` a COCO dict), restricted to the images of the run.
    `prepared` is a protocol's own memory: what it derives from `content` once for all cells.
    """

    content: Mapping[str, Any]
    prepared: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreRequest:
    """One complete cell to score for one task.

    Attributes:
        ground_truth: of the kind that the metric's spec asks for.
        predictions: a table of `segharness.store.PREDICTIONS`, all shards of the cell in order.
        task: ``segm``, ``bbox`` ...
        splits: subsets of the categories to score besides all.
        engine: one of the engines that the metric's spec lists; None where it lists none.
    """

    ground_truth: GroundTruth
    predictions: pa.Table
    task: str
    splits: Sequence[Split] = ()
    engine: str | None = None


@dataclass(frozen=True)
class Score:
    """One number: a fraction, or None with the reason."""

    metric: str
    value: float | None
    reason: str | None = None
    split: str = OVERALL
    category: str | None = None
    n_images: int | None = None
    n_instances: int | None = None
