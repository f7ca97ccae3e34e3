"""Decode -> corrupt -> predict -> check and encode -> write. The stages overlap, also from one unit to the next.

`Prefetcher` prepares images, `Postprocessor` encodes and writes, and the calling thread only predicts. Conditions
follow one another, so that a file is written as soon as it is complete. Work in flight is bounded on both sides, and
with it memory. A failure costs only the image that it concerns.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from segharness.errors import CellError, LostError, coded
from segharness.execution.worker.batch_size import BatchSize
from segharness.execution.worker.failure_watch import FailureWatch
from segharness.execution.worker.open_unit import PreparedImage
from segharness.execution.worker.postprocess import Postprocessor, first_line
from segharness.execution.worker.prefetch import NextUnit, Prefetcher
from segharness.execution.worker.shard_tables import ImageOutcome
from segharness.execution.worker.stage_timings import StageTimings
from segharness.model.foreign_child import is_out_of_memory, release_memory
from segharness.records import Model

_log = logging.getLogger(__name__)


@dataclass
class Calls:
    """The device of a model, and how often the model was called in this process: its first calls are the warm-up."""

    device: str
    answered: int = 0


@dataclass(frozen=True)
class _Answer:
    """The model's result for an image, or its error.

    Attributes:
        instances: what the model returned for the image.
        seconds: the seconds of the call per image.
        size: the number of images in the call.
        call: the number of the call.
        error: why there are no instances.
    """

    instances: Any = None
    seconds: float | None = None
    size: int | None = None
    call: int | None = None
    error: str | None = None


class Pipeline:
    """Runs units for one model.

    Args:
        model: the model; only the thread that calls `run` calls it.
        name: the model's id, for messages.
        threads: how many threads decode and corrupt; as many encode.
        batches: the number of images per call of `predict`. Only images of the same size share a batch.
        calls: the model's calls so far, kept from one unit to the next.
        message: called with a line of text for the user.
        watch: hears of every image on which the model failed, and of those that it answered.
    """

    def __init__(
        self,
        model: Model,
        name: str,
        threads: int,
        batches: BatchSize | None = None,
        calls: Calls | None = None,
        message: Callable[[str], None] = lambda text: None,
        watch: FailureWatch | None = None,
    ) -> None:
        self._model, self._name, self._threads = model, name, threads
        self._batches, self._calls, self._message = batches or BatchSize(1), calls or Calls("cpu"), message
        self._watch = watch or FailureWatch(0)
        self._next: PreparedImage | None = None

    def run(
        self,
        next_unit: NextUnit,
        progress: Callable[[int, int, StageTimings], None] = lambda images, failed, timings: None,
        finishing: threading.Event | None = None,
    ) -> None:
        """Predict every image of every unit under its conditions until there are no more units.

        Args:
            next_unit: returns the next unit.
            progress: called with the number of images just done, how many of them failed, and this thread's seconds.
            finishing: once this is set, only the condition that has begun is finished.

        Raises:
            LostError: memory did not suffice for a single image, or the model's process ended.
            ModelGivenUpError: the model failed on every image.
            Exception: any error that `OpenUnit.ended` raises.
        """
        prefetcher, postprocessor = (
            Prefetcher(self._threads, next_unit),
            Postprocessor(self._threads, self._name, self._watch),
        )
        try:
            while True:
                timings = StageTimings()
                with timings.timed("stalled"):
                    postprocessor.keep_up(self._batches.now)
                self._watch.check()
                with timings.timed("waited"):
                    batch = self._batch(prefetcher)
                    if not batch:
                        postprocessor.drain()
                        _end_units(postprocessor)
                        if not prefetcher.wait():
                            return
                        continue
                if finishing is not None and finishing.is_set():
                    batch = [prepared for prepared in batch if prepared.shard.outcomes]
                    if not batch:
                        break
                with timings.timed("predict"):
                    answers = iter(self._predict([p for p in batch if p.is_predicted]))
                batch[0].shard.timings.add(timings)
                failed = 0
                for prepared in batch:
                    answer = next(answers) if prepared.is_predicted else None
                    failed += prepared.error is not None or (answer is not None and answer.error is not None)
                    self._follow(prepared, answer, postprocessor)
                progress(len(batch), failed, timings)
                _end_units(postprocessor)
            postprocessor.drain()
            _end_units(postprocessor)
        finally:
            prefetcher.close()
            postprocessor.close()

    def _batch(self, prefetcher: Prefetcher) -> list[PreparedImage]:
        """Return the next images that go to the model together; none if that would mean waiting for another unit."""
        batch: list[PreparedImage] = []
        while len(batch) < self._batches.now:
            item, self._next = self._next or prefetcher.take(), None
            if item is None:
                break
            if item.shard.unit.error is not None:
                continue
            if batch and item.shape != batch[0].shape:
                self._next = item
                break
            batch.append(item)
        return batch

    def _follow(self, prepared: PreparedImage, answer: _Answer | None, postprocessor: Postprocessor) -> None:
        """Record the outcome of an image, and pass its answer on."""
        shard = prepared.shard
        outcome = ImageOutcome(prepared.sample, pixels=prepared.pixels, error=prepared.error)
        if prepared.corrupted is not None:
            outcome.drawn = prepared.corrupted.drawn
            outcome.prompt = shard.unit.prompts.kind if shard.unit.prompts else None
        if answer is not None:
            outcome.seconds, outcome.error = answer.seconds, answer.error
            outcome.batch, outcome.call = answer.size, answer.call
            outcome.device = self._calls.device
        shard.outcomes.append(outcome)
        shard.timings.add(prepared.timings)
        if prepared.corrupted is not None and outcome.error is None:
            postprocessor.encode(outcome, answer.instances if answer is not None else None, prepared)
        if shard.complete:
            postprocessor.close_shard(shard)

    def _predict(self, batch: Sequence[PreparedImage]) -> list[_Answer]:
        """Call the model and time the call. If memory does not suffice, try again in halves."""
        images = [p.corrupted.pixels for p in batch if p.corrupted is not None]
        if not images:
            return []
        prompts = {"prompts": [p.prompts.values for p in batch if p.prompts is not None]} if batch[0].prompts else {}
        call = self._calls.answered
        self._calls.answered += 1
        began = time.perf_counter()
        try:
            answers = list(self._model.predict(images, **prompts))
            seconds = (time.perf_counter() - began) / len(images)
            if len(answers) != len(images):
                raise CellError(f"predict returned {len(answers)} results for {len(images)} images")
        except LostError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  a model may raise anything
            if not is_out_of_memory(error):
                _log.error("model %s, %s", self._name, batch[0].sample, exc_info=True)
                text = str(error) if isinstance(error, CellError) else f"predict raised {type(error).__name__}: {error}"
                error_text = first_line(f"model `{self._name}`, {batch[0].sample}: {text}")
                self._watch.failed(error_text, len(batch))
                return [_Answer(error=error_text)] * len(batch)
            reason = first_line(f"{type(error).__name__}: {error}")
        else:
            self._batches.record(len(images), seconds)
            return [_Answer(answer, seconds, len(images), call) for answer in answers]
        return self._in_halves(batch, reason)

    def _in_halves(self, batch: Sequence[PreparedImage], reason: str) -> list[_Answer]:
        """Free memory and predict a batch again in smaller batches."""
        release_memory()
        if len(batch) == 1:
            raise LostError(coded("T15", f"out of memory at batch 1, {batch[0].sample}: {reason}"))
        old_size = self._batches.now
        while self._batches.now >= len(batch):
            self._batches.halve()
        size = self._batches.now
        if size < old_size:
            self._message(
                f"model `{self._name}`: out of memory at batch {len(batch)} on {self._calls.device}; "
                f"going on with {size}"
            )
        answers: list[_Answer] = []
        for begin in range(0, len(batch), size):
            answers += self._predict(batch[begin : begin + size])
        return answers


def _end_units(postprocessor: Postprocessor) -> None:
    for unit in postprocessor.ended_units():
        unit.ended(unit.error)
