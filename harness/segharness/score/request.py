"""The input of an evaluation, `ScoreRequest`, and its output, `Score`."""

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

    from segharness.score.bootstrap import Resamples


def check_split(split: Split, categories: Collection[str], dataset: str) -> None:
    """Raise UsageError if a split names a category that the data set does not have.

    Example:
        >>> check_split(Split("pets", ("cat", "dgo")), ["cat", "dog"], "coco")
        Traceback (most recent call last):
        ...
        segharness.errors.UsageError: split `pets`: data set `coco` has no category `dgo` (did you mean `dog`?)
    """
    for name in split.categories:
        if name not in categories:
            raise UsageError(
                f"split `{split.name}`: data set `{dataset}` has no category `{name}`{nearest(name, categories)}"
            )


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of the images of a run.

    Attributes:
        content: what the data set returned (a COCO dict for ``"instances"``), restricted to the images of the run.
        also: the further kinds that the metric's spec names in `also` and the data set has, by kind.
        prepared: a cache for the evaluation: it may keep here what it derives from `content`, for the next cells.

    Example:
        >>> GroundTruth({"images": [], "annotations": [], "categories": []}).also
        {}
    """

    content: Mapping[str, Any]
    also: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prepared: dict[Any, Any] = field(default_factory=dict)


def _ignore_note(text: str) -> None:
    """Drop the note."""


@dataclass(frozen=True)
class ScoreRequest:
    """One complete cell to score for one task.

    Attributes:
        ground_truth: the ground truth of the kind that the metric's spec names.
        predictions: a table of `segharness.store.PREDICTIONS`, with all shards of the cell in order. ``mask`` has the
            counts (bytes) of a COCO RLE whose size ``[height, width]`` is that of its image.
        task: ``segm``, ``bbox`` ...
        splits: subsets of the categories to score besides all categories.
        engine: one of the engines that the metric's spec lists; None if it lists none.
        images: a table of `segharness.store.IMAGES`, with timings, devices and prompts.
        options: the suite's options for this evaluation. The spec's `configure` checked them when the suite was read.
        resamples: the draws of the bootstrap, a `segharness.Resamples`; None without bootstrap.
        predictable: the ids of the categories that the model has labels for, as scored; of predictions that were made
            elsewhere, those that occur under any condition. None if that is not known.
        note: a function to call with a line for readers of the results, such as that another engine was used.

    Example:
        >>> truth = GroundTruth({"images": [], "annotations": [], "categories": []})
        >>> ScoreRequest(truth, predictions=None, task="segm").engine is None
        True
    """

    ground_truth: GroundTruth
    predictions: pa.Table
    task: str
    splits: Sequence[Split] = ()
    engine: str | None = None
    images: pa.Table | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    resamples: Resamples | None = None
    predictable: Collection[int] | None = None
    note: Callable[[str], None] = _ignore_note


@dataclass(frozen=True)
class Score:
    """One value of a metric, or None with the reason.

    Attributes:
        metric: the metric's name, such as ``AP50``.
        value: in the unit that its `Metric` declares; a fraction is from 0 to 1.
        reason: why there is no value.
        split: the split that the value is over; `OVERALL` for all categories.
        category: the category that the value is of; None for a whole split.
        n_images: how many images the value is taken from.
        n_instances: how many ground truth instances the value is taken from.
        samples: the value on each of the request's resamples, float64 (B,), NaN where it is undefined. Its confidence
            interval, and the intervals of metrics derived from it, are computed from these.
        device: the device of a timing.

    Example:
        >>> Score("AP", None, "no ground truth", category="cat").value is None
        True
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
