"""One unit through decode -> corrupt -> predict -> check and encode -> write, overlapping.

A pool of threads decodes and corrupts ahead of the model, another thread encodes and writes behind it; the calling thread
only predicts. Conditions follow one another, so a file is written as soon as it is complete. Work in flight is bounded on
both sides, so memory is too. A failure costs the image it happened in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segharness.errors import CellError
from segharness.records import Condition, Detections, Instances, Model, Sample
from segharness.runner.border import Labels, admit, admit_prompted
from segharness.runner.image import Corrupted, Corruptor, decode, pixel_digest
from segharness.runner.prompts import Given, Prompts
from segharness.store import IMAGES, PREDICTIONS, table

if TYPE_CHECKING:
    import pyarrow as pa

    from segharness.records import Image


DECODED_BYTES = 512 * 1024 * 1024
"""How much memory a shard's decoded images may take: 64 images of 2048x1024 take 403 MB."""

_log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of one image under one condition."""

    sample: Sample
    seconds: float | None = None
    pixels: int | None = None
    drawn: str | None = None
    detections: Detections | None = None
    error: str | None = None
    batch: int | None = None
    call: int | None = None
    device: str | None = None
    prompt: str | None = None


@dataclass
class Calls:
    """Who answers, and how many calls it has answered in this process: the first ones are its warm-up."""

    device: str
    answered: int = 0


@dataclass
class ShardTables:
    """All outcomes of one shard under one condition, as the tables that are stored."""

    predictions: pa.Table
    images: pa.Table
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Prepared:
    sample: Sample
    condition: Condition
    corrupted: Corrupted | None
    pixels: int | None
    error: str | None
    given: Given | None = None

    @property
    def asked(self) -> bool:
        """Whether the model is called for it: there are pixels, and, where it takes prompts, at least one."""
        return self.corrupted is not None and (self.given is None or len(self.given.values) > 0)


@dataclass(frozen=True)
class _Answers:
    """What one call of `predict` gave: its results in order, the seconds an image, or what went wrong."""

    found: Iterator[Any]
    seconds: float | None = None
    size: int | None = None
    call: int | None = None
    error: str | None = None


class _Decoded:
    """The pixels of a shard's first images, kept from one condition to the next; later ones are decoded each time."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._locks: dict[int, threading.Lock] = {}
        self._kept: dict[int, Image] = {}
        room = DECODED_BYTES
        for sample in samples:
            room -= 3 * sample.height * sample.width
            if room < 0:
                break
            self._locks[sample.image_id] = threading.Lock()

    def get(self, sample: Sample) -> Image:
        """Return the pixels of a sample; raises ImageError as `decode` does."""
        lock = self._locks.get(sample.image_id)
        if lock is None:
            return decode(sample)
        with lock:
            if sample.image_id not in self._kept:
                self._kept[sample.image_id] = decode(sample)
            return self._kept[sample.image_id]


class Pipeline:
    """Runs units for one model on one data set.

    Args:
        model: called from one thread only.
        name: of the model, for messages.
        labels: how its labels become the data set's categories.
        corruptor: makes the pixels.
        dataset: the data set's name, part of the random key.
        threads: that decode, corrupt and encode.
        batch_size: images a call of `predict`; only images of one size share a batch.
        calls: of the model, from one unit to the next.
        prompts: what the model is given of the ground truth, if it takes prompts; `labels` is then None.
    """

    def __init__(
        self,
        model: Model,
        name: str,
        labels: Labels | None,
        corruptor: Corruptor,
        dataset: str,
        threads: int,
        batch_size: int = 1,
        calls: Calls | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        self._model, self._name, self._labels = model, name, labels
        self._corruptor, self._dataset = corruptor, dataset
        self._threads, self._batch_size = threads, batch_size
        self._calls, self._prompts = calls or Calls("cpu"), prompts

    def run(
        self,
        samples: Sequence[Sample],
        conditions: Sequence[Condition],
        finish: Callable[[str, ShardTables], None],
        progress: Callable[[int], None] = lambda n: None,
    ) -> None:
        """Predict every sample under every condition, one condition after another.

        Args:
            samples: the images of a shard.
            conditions: images are decoded once for all of them, as far as `DECODED_BYTES` of memory hold them.
            finish: called with a condition's name and tables as soon as its last image is done, from another thread.
            progress: called with the number of predictions just made.

        Raises:
            Exception: whatever `finish` raises.
        """
        rest = {condition.name: len(samples) for condition in conditions}
        outcomes: dict[str, list[Outcome]] = {condition.name: [] for condition in conditions}
        with ThreadPoolExecutor(self._threads, "prepare") as pool, ThreadPoolExecutor(1, "encode") as encoder:
            behind: deque[Future[None]] = deque()
            try:
                for batch in self._batches(self._ahead(pool, samples, conditions)):
                    answers = self._predict([p for p in batch if p.asked])
                    for prepared in batch:
                        name = prepared.condition.name
                        outcome = Outcome(prepared.sample, pixels=prepared.pixels, error=prepared.error)
                        outcomes[name].append(outcome)
                        rest[name] -= 1
                        if prepared.corrupted is not None:
                            outcome.drawn = prepared.corrupted.drawn
                            outcome.prompt = self._prompts.kind if self._prompts else None
                        if prepared.asked:
                            outcome.seconds, outcome.error = answers.seconds, answers.error
                            outcome.batch, outcome.call = answers.size, answers.call
                            outcome.device = self._calls.device
                        if prepared.corrupted is not None and outcome.error is None:
                            found = next(answers.found) if prepared.asked else None
                            behind.append(encoder.submit(self._admit, outcome, found, prepared))
                        if not rest[name]:  # the encoder works in order: all images of the condition come before this
                            behind.append(
                                encoder.submit(lambda n, done: finish(n, tables(done)), name, outcomes.pop(name))
                            )
                    while len(behind) > 2 * self._batch_size:
                        behind.popleft().result()
                    progress(len(batch))
                for future in behind:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                encoder.shutdown(wait=False, cancel_futures=True)
                raise

    def _ahead(
        self, pool: ThreadPoolExecutor, samples: Sequence[Sample], conditions: Sequence[Condition]
    ) -> Iterator[_Prepared]:
        """Yield prepared images in order, while the pool works on the next ones."""
        depth = 2 * self._threads + self._batch_size
        waiting: deque[Future[_Prepared]] = deque()
        decoded = _Decoded(samples if len(conditions) > 1 else ())
        for condition in conditions:
            for sample in samples:
                waiting.append(pool.submit(self._prepare, decoded, sample, condition))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _prepare(self, decoded: _Decoded, sample: Sample, condition: Condition) -> _Prepared:
        try:
            corrupted = self._corruptor(decoded.get(sample), condition, sample, self._dataset)
        except CellError as error:
            return _Prepared(sample, condition, None, None, str(error))
        given = self._prompts(sample) if self._prompts is not None else None
        return _Prepared(sample, condition, corrupted, pixel_digest(corrupted.pixels), None, given)

    def _batches(self, prepared: Iterator[_Prepared]) -> Iterator[list[_Prepared]]:
        batch: list[_Prepared] = []
        for item in prepared:
            if batch and (len(batch) == self._batch_size or _shape(item) != _shape(batch[0])):
                yield batch
                batch = []
            batch.append(item)
        if batch:
            yield batch

    def _predict(self, batch: Sequence[_Prepared]) -> _Answers:
        """Call the model, and time it."""
        images = [p.corrupted.pixels for p in batch if p.corrupted is not None]
        if not images:
            return _Answers(iter(()))
        given = {"prompts": [p.given.values for p in batch if p.given is not None]} if self._prompts else {}
        call = self._calls.answered
        self._calls.answered += 1
        began = time.perf_counter()
        try:
            found = list(self._model.predict(images, **given))
            seconds = (time.perf_counter() - began) / len(images)
            if len(found) != len(images):
                raise CellError(f"predict returned {len(found)} results for {len(images)} images")
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  the model is anyone's code
            _log.error("model %s, %s", self._name, batch[0].sample, exc_info=True)
            what = str(error) if isinstance(error, CellError) else f"predict raised {type(error).__name__}: {error}"
            return _Answers(iter(()), error=_brief(f"model `{self._name}`, {batch[0].sample}: {what}"))
        return _Answers(iter(found), seconds, len(images), call)

    def _admit(self, outcome: Outcome, found: Any, prepared: _Prepared) -> None:
        assert prepared.corrupted is not None
        shape = prepared.corrupted.pixels.shape[:2]
        try:
            if prepared.given is not None:
                found = found if prepared.asked else Instances(None, None, None, ())
                outcome.detections = admit_prompted(found, shape, prepared.given)
            else:
                assert self._labels is not None
                outcome.detections = admit(found, shape, self._labels)
        except Exception as error:  # noqa: BLE001  what a model returns may raise anything when it is looked at
            what = str(error) if isinstance(error, CellError) else f"{type(error).__name__}: {error}"
            outcome.error = _brief(f"model `{self._name}`, {outcome.sample}: {what}")


def _brief(text: str) -> str:
    """Return the first line of a message, at most 500 characters; the whole of it is in the log."""
    line = text.strip().splitlines()[0]
    return line if len(line) <= 500 else line[:497] + "..."


def _shape(prepared: _Prepared) -> tuple[int, ...]:
    return prepared.corrupted.pixels.shape if prepared.corrupted is not None else ()


def tables(outcomes: Sequence[Outcome]) -> ShardTables:
    """Return the outcomes of a shard under one condition as the tables that are stored."""
    import numpy as np

    found = [(o.sample.image_id, o.detections) for o in outcomes if o.detections is not None]
    sizes = [len(d.category_ids) for _, d in found]
    predictions = table(
        PREDICTIONS,
        {
            "image_id": np.repeat(np.array([image_id for image_id, _ in found], dtype=np.int64), sizes),
            "category_id": np.concatenate([np.zeros(0, np.int32), *(d.category_ids for _, d in found)]),
            "score": _columns([(d.scores, n) for (_, d), n in zip(found, sizes, strict=True)]),
            "bbox": list(np.concatenate([np.zeros((0, 4)), *(d.boxes for _, d in found)])),
            "mask": _columns([(d.masks, n) for (_, d), n in zip(found, sizes, strict=True)]),
            "annotation_id": _columns([(d.annotation_ids, n) for (_, d), n in zip(found, sizes, strict=True)]),
        },
    )
    images = table(
        IMAGES,
        {
            "image_id": [o.sample.image_id for o in outcomes],
            "height": [o.sample.height for o in outcomes],
            "width": [o.sample.width for o in outcomes],
            "n_instances": [len(o.detections.category_ids) if o.detections else 0 for o in outcomes],
            "dropped": [o.detections.dropped if o.detections else 0 for o in outcomes],
            "clipped": [o.detections.clipped if o.detections else 0 for o in outcomes],
            **{
                name: [getattr(o, name) for o in outcomes]
                for name in ("seconds", "batch", "call", "device", "prompt", "pixels", "drawn", "error")
            },
        },
    )
    return ShardTables(predictions, images, [o.error for o in outcomes if o.error is not None])


def _columns(parts: Sequence[tuple[Any, int]]) -> list[Any]:
    """Return the values of all images behind one another, nulls where an image has none."""
    return [value for values, count in parts for value in ([None] * count if values is None else values)]
