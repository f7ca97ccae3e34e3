"""What flows through the pipeline: a unit's images under its conditions, one condition after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segharness.execution.worker.shard_tables import ImageOutcome, ShardTables
from segharness.execution.worker.timings import StageTimings
from segharness.images.corrupt import Corrupted, Corruptor
from segharness.model.labels import Labels
from segharness.model.prompts import ImagePrompts, Prompts
from segharness.records import Condition, Sample

if TYPE_CHECKING:
    from concurrent.futures import Future

WriteShard = Callable[[str, ShardTables, StageTimings], None]


@dataclass(eq=False)
class OpenUnit:
    """A unit, opened.

    Attributes:
        samples: the images of a shard.
        conditions: images are decoded once for all of them, as far as memory holds them.
        dataset: the data set's name, part of the random key.
        corruptor: makes the pixels.
        labels: how the model's labels become the data set's categories; None if it takes prompts.
        prompts: what the model is given of the ground truth; None if it takes no prompts.
        write: called with a condition's name, tables and timings as soon as its last image is done, from another thread.
        ended: called once from the thread of the model: with None when every file is written, or with what `write` raised.
        error: what `write` raised; the rest of the unit is then left out.
        over: `ended` was called, or is about to be.
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
    over: bool = False

    def shards(self) -> Iterator[ConditionShard]:
        for index, condition in enumerate(self.conditions):
            yield ConditionShard(self, condition, last=index == len(self.conditions) - 1)


@dataclass(eq=False)
class ConditionShard:
    """The images of a unit under one condition: what becomes one pair of files. With the `last` one its unit ends."""

    unit: OpenUnit
    condition: Condition
    last: bool
    outcomes: list[ImageOutcome] = field(default_factory=list)
    encoding: list[Future[None]] = field(default_factory=list)
    timings: StageTimings = field(default_factory=StageTimings)

    @property
    def complete(self) -> bool:
        return len(self.outcomes) == len(self.unit.samples)


@dataclass(frozen=True)
class PreparedImage:
    """One image, ready for the model, or the error that kept it from being so.

    Attributes:
        shard: what it belongs to.
        sample: of the data set.
        corrupted: its pixels; None with an `error`.
        pixels: the digest of the pixels.
        error: why there are no pixels.
        prompts: what the model is given of the ground truth.
        timings: of decoding and corrupting.
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
        """Whether the model is called for it: there are pixels and, if it takes prompts, at least one."""
        return self.corrupted is not None and (self.prompts is None or len(self.prompts.values) > 0)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.corrupted.pixels.shape if self.corrupted is not None else ()
