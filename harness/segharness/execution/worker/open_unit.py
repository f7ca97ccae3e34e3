"""What flows through the pipeline: a unit's images under its conditions, one condition after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segharness.execution.worker.shard_tables import Outcome, ShardTables
from segharness.execution.worker.timings import Stages
from segharness.images.corrupt import Corrupted, Corruptor
from segharness.model.labels import Labels
from segharness.model.prompts import Given, Prompts
from segharness.records import Condition, Sample

if TYPE_CHECKING:
    from concurrent.futures import Future

Finish = Callable[[str, ShardTables, Stages], None]


@dataclass(eq=False)
class Work:
    """A unit, opened.

    Attributes:
        samples: the images of a shard.
        conditions: images are decoded once for all of them, as far as memory holds them.
        dataset: the data set's name, part of the random key.
        corruptor: makes the pixels.
        labels: how the model's labels become the data set's categories; None where it takes prompts.
        prompts: what the model is given of the ground truth, if it takes prompts.
        finish: called with a condition's name, tables and seconds as soon as its last image is done, from another thread.
        ended: called once from the thread of the model: with None when every file is written, or with what `finish` raised.
        error: what `finish` raised; the rest of the unit is then left out.
        over: `ended` was called, or is about to be.
    """

    samples: Sequence[Sample]
    conditions: Sequence[Condition]
    dataset: str
    corruptor: Corruptor
    labels: Labels | None
    prompts: Prompts | None
    finish: Finish
    ended: Callable[[Exception | None], None] = lambda error: None
    error: Exception | None = None
    over: bool = False

    def shards(self) -> Iterator[ConditionShard]:
        for index, condition in enumerate(self.conditions):
            yield ConditionShard(self, condition, last=index == len(self.conditions) - 1)


@dataclass(eq=False)
class ConditionShard:
    """The images of a unit under one condition: what becomes one file pair. `last` says that its unit ends with it."""

    work: Work
    condition: Condition
    last: bool
    outcomes: list[Outcome] = field(default_factory=list)
    encoding: list[Future[None]] = field(default_factory=list)
    stages: Stages = field(default_factory=Stages)

    @property
    def complete(self) -> bool:
        return len(self.outcomes) == len(self.work.samples)


@dataclass(frozen=True)
class PreparedImage:
    """One image, ready for the model, or the error that kept it from being so."""

    shard: ConditionShard
    sample: Sample
    corrupted: Corrupted | None
    pixels: int | None
    error: str | None
    given: Given | None = None
    stages: Stages = field(default_factory=Stages)

    @property
    def asked(self) -> bool:
        """Whether the model is called for it: there are pixels, and, where it takes prompts, at least one."""
        return self.corrupted is not None and (self.given is None or len(self.given.values) > 0)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.corrupted.pixels.shape if self.corrupted is not None else ()
