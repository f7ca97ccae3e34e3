"""After the model: several threads check and encode its answers, and another writes each complete condition."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from segharness.errors import CellError
from segharness.execution.worker.failure_watch import FailureWatch
from segharness.execution.worker.open_unit import ConditionShard, OpenUnit, PreparedImage
from segharness.execution.worker.shard_tables import ImageOutcome, tables_of
from segharness.model.outputs import check_unscaled, validate_instances, validate_prompted
from segharness.records import Instances

WAITING_BYTES = 256 * 1024 * 1024
"""The memory for answers that wait to be encoded. One answer may always wait."""

WAITING_FILES = 4
"""How many conditions may wait to be written."""


class Postprocessor:
    """Checks, encodes and writes the model's answers, which it takes in order.

    Args:
        threads: how many threads encode.
        name: the model's id, for messages.
        watch: hears of the answers, right and wrong.
    """

    def __init__(self, threads: int, name: str, watch: FailureWatch) -> None:
        self._encoders = ThreadPoolExecutor(threads, "encode")
        self._writer = ThreadPoolExecutor(1, "write")
        self._name, self._watch = name, watch
        self._limit = 2 * threads + 2
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._bytes = 0
        self._files: deque[Future[None]] = deque()
        self._ended: deque[OpenUnit] = deque()
        self._timings_lock = threading.Lock()

    def encode(self, outcome: ImageOutcome, answer: Any, prepared: PreparedImage) -> None:
        """Check the model's answer for an image and encode its masks, in another thread."""
        size = _bytes_of(answer)
        future = self._encoders.submit(self._validate, outcome, answer, prepared)
        prepared.shard.encoding.append(future)
        self._waiting.append((size, future))
        self._bytes += size

    def keep_up(self, batch: int) -> None:
        """Wait until few enough answers and files are in flight for another batch of `batch` images."""
        while len(self._waiting) > 1 and (len(self._waiting) > self._limit + batch or self._bytes > WAITING_BYTES):
            size, future = self._waiting.popleft()
            future.result()
            self._bytes -= size
        while len(self._files) > WAITING_FILES:
            self._files.popleft().result()

    def close_shard(self, shard: ConditionShard) -> None:
        """Write a condition, whose images all have an outcome, in another thread."""
        self._files.append(self._writer.submit(self._write, shard))

    def ended_units(self) -> list[OpenUnit]:
        """Return the units that ended since the last call."""
        units = []
        while self._ended:
            units.append(self._ended.popleft())
        return units

    def drain(self) -> None:
        """Wait until everything is written."""
        while self._files:
            self._files.popleft().result()
        self._waiting.clear()
        self._bytes = 0

    def close(self) -> None:
        """Write the complete conditions and end the threads, also after an error: it does not concern these files."""
        self._encoders.shutdown(wait=True)
        self._writer.shutdown(wait=True)

    def _validate(self, outcome: ImageOutcome, answer: Any, prepared: PreparedImage) -> None:
        assert prepared.corrupted is not None
        shape = prepared.corrupted.pixels.shape[:2]
        with prepared.timings.timed("encode"):
            try:
                if prepared.prompts is not None:
                    answer = answer if prepared.is_predicted else Instances(None, None, None, ())
                    outcome.detections = validate_prompted(answer, shape, prepared.prompts)
                else:
                    assert prepared.shard.unit.labels is not None
                    outcome.detections = validate_instances(answer, shape, prepared.shard.unit.labels)
                if prepared.shard.unit.unscaled and prepared.is_predicted:
                    check_unscaled(outcome.detections.network_input, shape)
            except Exception as error:  # noqa: BLE001  an object that a model returns may raise anything
                text = str(error) if isinstance(error, CellError) else f"{type(error).__name__}: {error}"
                outcome.error = first_line(f"model `{self._name}`, {outcome.sample}: {text}")
                self._watch.failed(outcome.error)
            else:
                if prepared.is_predicted:
                    self._watch.answered()
        with self._timings_lock:
            prepared.shard.timings.encode += prepared.timings.encode

    def _write(self, shard: ConditionShard) -> None:
        unit = shard.unit
        try:
            for future in shard.encoding:
                future.result()
            if unit.error is None:
                unit.write(shard.condition.name, tables_of(shard.outcomes), shard.timings)
        except Exception as error:  # noqa: BLE001  `OpenUnit.ended` gets it
            unit.error = error
        if (shard.last or unit.error is not None) and not unit.closed:
            unit.closed = True
            self._ended.append(unit)


def first_line(text: str) -> str:
    """Return the first line of a message, cut to 500 characters. The log has the whole message."""
    line = text.strip().splitlines()[0]
    return line if len(line) <= 500 else line[:497] + "..."


def _bytes_of(answer: Any) -> int:
    """Return about how many bytes an answer takes: those of its masks."""
    try:
        return int(getattr(getattr(answer, "masks", None), "nbytes", 0))
    except Exception:  # noqa: BLE001  the later check reports what is wrong
        return 0
