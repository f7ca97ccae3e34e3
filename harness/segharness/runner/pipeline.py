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
from segharness.records import Condition, Model, Sample
from segharness.runner.border import Detections, Labels, admit
from segharness.runner.image import Corrupted, Corruptor, decode, pixel_digest
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
    """

    def __init__(
        self,
        model: Model,
        name: str,
        labels: Labels,
        corruptor: Corruptor,
        dataset: str,
        threads: int,
        batch_size: int = 1,
    ) -> None:
        self._model, self._name, self._labels = model, name, labels
        self._corruptor, self._dataset = corruptor, dataset
        self._threads, self._batch_size = threads, batch_size

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
                    found, seconds, error = self._predict([p for p in batch if p.error is None])
                    position = 0
                    for prepared in batch:
                        name = prepared.condition.name
                        outcome = Outcome(prepared.sample, pixels=prepared.pixels, error=prepared.error)
                        outcomes[name].append(outcome)
                        rest[name] -= 1
                        if prepared.corrupted is not None:
                            outcome.drawn, outcome.seconds, outcome.error = prepared.corrupted.drawn, seconds, error
                        if prepared.corrupted is not None and error is None:
                            shape = prepared.corrupted.pixels.shape[:2]
                            behind.append(encoder.submit(self._admit, outcome, found[position], shape))
                            position += 1
                        if not rest[name]:  # the encoder works in order: all images of the condition come before this
                            behind.append(
                                encoder.submit(lambda n, done: finish(n, _tables(done)), name, outcomes.pop(name))
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
        return _Prepared(sample, condition, corrupted, pixel_digest(corrupted.pixels), None)

    def _batches(self, prepared: Iterator[_Prepared]) -> Iterator[list[_Prepared]]:
        batch: list[_Prepared] = []
        for item in prepared:
            if batch and (len(batch) == self._batch_size or _shape(item) != _shape(batch[0])):
                yield batch
                batch = []
            batch.append(item)
        if batch:
            yield batch

    def _predict(self, batch: Sequence[_Prepared]) -> tuple[Sequence[Any], float | None, str | None]:
        """Return the model's answer, the seconds an image, and what went wrong."""
        images = [p.corrupted.pixels for p in batch if p.corrupted is not None]
        if not images:
            return (), None, None
        began = time.perf_counter()
        try:
            found = list(self._model.predict(images))
            seconds = (time.perf_counter() - began) / len(images)
            if len(found) != len(images):
                raise CellError(f"predict returned {len(found)} results for {len(images)} images")
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  the model is anyone's code
            _log.error("model %s, %s", self._name, batch[0].sample, exc_info=True)
            what = str(error) if isinstance(error, CellError) else f"predict raised {type(error).__name__}: {error}"
            return (), None, _brief(f"model `{self._name}`, {batch[0].sample}: {what}")
        return found, seconds, None

    def _admit(self, outcome: Outcome, found: Any, shape: tuple[int, int]) -> None:
        try:
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


def _tables(outcomes: Sequence[Outcome]) -> ShardTables:
    import numpy as np

    found = [(o.sample.image_id, o.detections) for o in outcomes if o.detections is not None]
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(d.boxes for _, d in found)])
    predictions = table(
        PREDICTIONS,
        {
            "image_id": np.concatenate(
                [np.zeros(0, np.int64), *(np.full(len(d.scores), image_id, np.int64) for image_id, d in found)]
            ),
            "category_id": np.concatenate([np.zeros(0, np.int32), *(d.category_ids for _, d in found)]),
            "score": np.concatenate([np.zeros(0, np.float32), *(d.scores for _, d in found)]),
            "bbox": list(boxes),
            "mask": [mask for _, d in found for mask in (d.masks if d.masks is not None else [None] * len(d.scores))],
        },
    )
    images = table(
        IMAGES,
        {
            "image_id": [o.sample.image_id for o in outcomes],
            "height": [o.sample.height for o in outcomes],
            "width": [o.sample.width for o in outcomes],
            "n_instances": [len(o.detections.scores) if o.detections else 0 for o in outcomes],
            "dropped": [o.detections.dropped if o.detections else 0 for o in outcomes],
            "clipped": [o.detections.clipped if o.detections else 0 for o in outcomes],
            "seconds": [o.seconds for o in outcomes],
            "pixels": [o.pixels for o in outcomes],
            "drawn": [o.drawn for o in outcomes],
            "error": [o.error for o in outcomes],
        },
    )
    return ShardTables(predictions, images, [o.error for o in outcomes if o.error is not None])
