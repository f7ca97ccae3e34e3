"""A unit in the pipeline: its images under its conditions, one condition after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segharness.execution.worker.shard_tables import ImageOutcome, ShardTables
from segharness.execution.worker.stage_timings import StageTimings
from segharness.images.corrupt import Corrupted, Corruptor
from segharness.model.labels import Labels
from segharness.model.prompts import ImagePrompts, Prompts
from segharness.records import Condition, Sample

if TYPE_CHECKING:
    from concurrent.futures import Future

WriteShard = Callable[[str, ShardTables, StageTimings], None]
"""Writes the tables of a condition, given its name, and adds the time to the timings."""


@dataclass(eq=False)
class OpenUnit:
    """An opened unit.

    Attributes:
        samples: the images of a shard.
        conditions: the conditions. An image is decoded once for all of them if memory suffices.
        dataset: the data set's name, part of the random key.
        corruptor: applies the conditions.
        labels: maps the model's labels to the data set's categories; None if the model takes prompts.
        prompts: the prompts made from the ground truth; None if the model takes none.
        write: called from another thread with a condition's name, tables and timings when its last image is done.
        ended: called once from the model's thread, with None when every file is written, else with an error of `write`.
        error: the error of `write`; the rest of the unit is then skipped.
        closed: `ended` was called, or will be called next.
        note: called with what the user should know of its images.
        unscaled: whether every image must enter the network at its own size.
    """

    samples: Sequence[Sample]
    conditions: Sequence[Condition]
    dataset: str
    corruptor: Corruptor
    labels: Labels | None
    prompts: Prompts | None
    write: WriteShard
    ended: Callable[[Exception | None], None] = lambda error: None
    error: Exception | None = None
    closed: bool = False
    note: Callable[[str], None] = lambda text: None
    unscaled: bool = False

    def shards(self) -> Iterator[ConditionShard]:
        """Yield a shard for each condition, in order."""
        for index, condition in enumerate(self.conditions):
            yield ConditionShard(self, condition, last=index == len(self.conditions) - 1)


@dataclass(eq=False)
class ConditionShard:
    """The images of a unit under one condition, which are stored as one pair of files.

    Attributes:
        unit: the unit.
        condition: the condition.
        last: this is the last condition of the unit.
        outcomes: the outcomes of the images that the model has seen or that failed.
        encoding: the tasks that check and encode the results.
        timings: seconds by stage, summed over the images.
    """

    unit: OpenUnit
    condition: Condition
    last: bool
    outcomes: list[ImageOutcome] = field(default_factory=list)
    encoding: list[Future[None]] = field(default_factory=list)
    timings: StageTimings = field(default_factory=StageTimings)

    @property
    def complete(self) -> bool:
        """Whether every image has an outcome."""
        return len(self.outcomes) == len(self.unit.samples)


@dataclass(frozen=True)
class PreparedImage:
    """An image that is ready for the model, or the error that prevented it.

    Attributes:
        shard: the shard that it belongs to.
        sample: the sample of the data set.
        corrupted: the pixels; None if there is an error.
        pixels: the digest of the pixels.
        error: the error; None if there are pixels.
        prompts: the prompts, if the model takes them.
        timings: seconds of decoding and corrupting.
    """

    shard: ConditionShard
    sample: Sample
    corrupted: Corrupted | None
    pixels: int | None
    error: str | None
    prompts: ImagePrompts | None = None
    timings: StageTimings = field(default_factory=StageTimings)

    @property
    def is_predicted(self) -> bool:
        """Whether the model is called: there are pixels and, if the model takes prompts, at least one prompt."""
        return self.corrupted is not None and (self.prompts is None or len(self.prompts.values) > 0)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the pixels, (H, W, 3); empty without pixels."""
        return self.corrupted.pixels.shape if self.corrupted is not None else ()
