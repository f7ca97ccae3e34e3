"""Behind the model: threads check and encode its answers, and one writes each condition as soon as it is complete."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from segharness.errors import CellError
from segharness.execution.worker.open_unit import ConditionShard, PreparedImage, Work
from segharness.execution.worker.shard_tables import Outcome, tables
from segharness.model.validation import admit, admit_prompted
from segharness.records import Instances

BEHIND_BYTES = 256 * 1024 * 1024
"""How much memory answers that are still to be encoded may take; one answer may always wait."""

FILES = 4
"""How many conditions may wait to be written."""

_log = logging.getLogger(__name__)


class Behind:
    """Takes the model's answers in order.

    Args:
        threads: that encode.
        name: of the model, for messages.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._encoders = ThreadPoolExecutor(threads, "encode")
        self._writer = ThreadPoolExecutor(1, "write")
        self._name = name
        self._most = 2 * threads + 2
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._bytes = 0
        self._files: deque[Future[None]] = deque()
        self._ended: deque[Work] = deque()
        self._stages_lock = threading.Lock()

    def encode(self, outcome: Outcome, found: Any, prepared: PreparedImage) -> None:
        """Check what the model found in an image and encode its masks, in another thread."""
        size = _weight(found)
        future = self._encoders.submit(self._admit, outcome, found, prepared)
        prepared.shard.encoding.append(future)
        self._waiting.append((size, future))
        self._bytes += size

    def keep_up(self, batch: int) -> None:
        """Wait until what is in flight is little enough for a further batch."""
        while len(self._waiting) > 1 and (len(self._waiting) > self._most + batch or self._bytes > BEHIND_BYTES):
            size, future = self._waiting.popleft()
            future.result()
            self._bytes -= size
        while len(self._files) > FILES:
            self._files.popleft().result()

    def close_shard(self, shard: ConditionShard) -> None:
        """Write a condition whose images were all answered, in another thread."""
        self._files.append(self._writer.submit(self._write, shard))

    def ended(self) -> list[Work]:
        """Return the units that ended since the last call."""
        found = []
        while self._ended:
            found.append(self._ended.popleft())
        return found

    def drain(self) -> None:
        """Wait until everything is written."""
        while self._files:
            self._files.popleft().result()
        self._waiting.clear()
        self._bytes = 0

    def close(self) -> None:
        """Write what is complete, and end the threads; also after an error, for it is no fault of these files."""
        self._encoders.shutdown(wait=True)
        self._writer.shutdown(wait=True)

    def _admit(self, outcome: Outcome, found: Any, prepared: PreparedImage) -> None:
        assert prepared.corrupted is not None
        shape = prepared.corrupted.pixels.shape[:2]
        with prepared.stages.timed("encode"):
            try:
                if prepared.given is not None:
                    found = found if prepared.asked else Instances(None, None, None, ())
                    outcome.detections = admit_prompted(found, shape, prepared.given)
                else:
                    assert prepared.shard.work.labels is not None
                    outcome.detections = admit(found, shape, prepared.shard.work.labels)
            except Exception as error:  # noqa: BLE001  what a model returns may raise anything when it is looked at
                what = str(error) if isinstance(error, CellError) else f"{type(error).__name__}: {error}"
                outcome.error = brief(f"model `{self._name}`, {outcome.sample}: {what}")
        with self._stages_lock:
            prepared.shard.stages.encode += prepared.stages.encode

    def _write(self, shard: ConditionShard) -> None:
        work = shard.work
        try:
            for future in shard.encoding:
                future.result()
            if work.error is None:
                work.finish(shard.condition.name, tables(shard.outcomes), shard.stages)
        except Exception as error:  # noqa: BLE001  told to whom the unit belongs, in `Work.ended`
            work.error = error
        if (shard.last or work.error is not None) and not work.over:
            work.over = True
            self._ended.append(work)


def brief(text: str) -> str:
    """Return the first line of a message, at most 500 characters; the whole of it is in the log."""
    line = text.strip().splitlines()[0]
    return line if len(line) <= 500 else line[:497] + "..."


def _weight(found: Any) -> int:
    """Return about how many bytes an answer takes."""
    try:
        return int(getattr(getattr(found, "masks", None), "nbytes", 0))
    except Exception:  # noqa: BLE001  what is wrong with it is said when it is checked
        return 0
