"""The worker process: it has one device, reads requests as JSON lines and writes events as JSON lines.

The requests: ``open`` (the first: the job and the device), ``unit`` (run a unit), ``release`` (close the model),
``finish`` (finish the files in flight and end), ``stop`` (end as soon as no unit is left). The events:
`segharness.execution.events.WorkerEvent`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

from segharness.errors import LostError
from segharness.execution.events import Progress, UnitRequested, WorkerBroken, WorkerEvent, WorkerReady, to_json
from segharness.execution.units import Job, Unit
from segharness.execution.worker.unit_runner import DiskFullError, Emit, UnitRunner
from segharness.plugin.failures import describe
from segharness.plugin.host import PluginHost

_PROGRESS_SECONDS = 0.2

_SWITCH_SECONDS = 0.0005
"""How long a thread that computes in Python may keep the model's thread waiting. Python's default of 5 ms is a third of
the time of a fast model."""


class _UnitQueue:
    """The units that the scheduler sends. It tells the scheduler when this worker can take another unit."""

    def __init__(self, emit: Emit) -> None:
        self.ended = False
        self._emit = emit
        self._units: queue.Queue[Unit | None] = queue.Queue()  # None wakes whoever waits
        self._wanted = False
        self._released = False

    def put(self, unit: Unit | None, end: bool = False) -> None:
        """Add a unit. None means that the model may be closed; with `end`, that no more units come."""
        self.ended = self.ended or end
        self._released = unit is None
        self._units.put(unit)

    def next(self, block: bool) -> Unit | None:
        if not self._wanted and not self.ended and self._units.empty():
            self._wanted = True
            self._emit(UnitRequested())
        while True:  # what wakes one call must not be lost on another: a call that does not wait may come first
            try:
                unit = self._units.get(block and not self.ended and not self._released)
            except queue.Empty:
                if block:
                    self._released = False
                return None
            if unit is not None:
                self._wanted = False
                return unit


class _EventWriter:
    """Writes events. It sums up progress for a while, so that the scheduler does not wake for each image."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._last_write = time.monotonic()

    def __call__(self, event: WorkerEvent) -> None:
        with self._lock:
            now = time.monotonic()
            if isinstance(event, Progress):
                total = self._progress or Progress(0)
                self._progress = Progress(
                    total.images + event.images,
                    total.seconds + event.seconds,
                    total.waited + event.waited,
                    total.failed + event.failed,
                )
                if now - self._last_write < _PROGRESS_SECONDS:
                    return
            if self._progress is not None:
                self._write(self._progress)
                self._progress = None
            self._last_write = now
            if not isinstance(event, Progress):
                self._write(event)

    def _write(self, event: WorkerEvent) -> None:
        self._stream.write(json.dumps(to_json(event)) + "\n")


def main() -> int:
    """Serve the scheduler that started this process until it sends ``stop`` or is gone. Return the exit code."""
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of the model goes to the log, not among the events
    sys.stdout = sys.stderr
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a model that reads or closes stdin does not disturb the requests
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    sys.setswitchinterval(_SWITCH_SECONDS)
    emit = _EventWriter(events)
    messages = (json.loads(line) for line in requests)
    opening = next(messages)
    job = Job.from_json(opening["job"])
    units = _UnitQueue(emit)
    try:
        runner = UnitRunner(job, PluginHost.load(job.plugins), opening["device"])
    except Exception as error:
        logging.exception("this worker could not start")
        emit(WorkerBroken(describe(error)))
        return 1
    threading.Thread(target=_listen, args=(messages, units, runner), daemon=True, name="messages").start()
    emit(WorkerReady())
    try:
        runner.serve(units, emit)
    except (DiskFullError, LostError):
        return 1
    runner.close()
    return 0


def _listen(messages: Iterator[dict[str, Any]], units: _UnitQueue, runner: UnitRunner) -> None:
    """Handle the requests of the scheduler. End the process at once if the scheduler is gone."""
    try:
        for message in messages:
            if message["op"] == "unit":
                units.put(Unit.from_json(message["unit"]))
            elif message["op"] == "finish":
                runner.finish()
                units.put(None, end=True)
            else:
                units.put(None, end=message["op"] == "stop")
    finally:  # also after an incomplete line of a scheduler that was killed
        os._exit(3)
