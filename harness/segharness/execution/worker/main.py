"""A worker: one process with one device. Takes units as JSON lines, answers with events as JSON lines.

Requests: ``open`` (the job and the device, first of all), ``unit``, ``release`` (let go of the model), ``finish`` (the files
in flight, and end), ``stop`` (end when there is nothing to do). Answers: the events of
`segharness.execution.executors.interface`, and ``ready``, ``want`` (all images of the units so far were given to its
threads: it can take another), ``broken``, ``lost``.
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
from segharness.execution.units import Job, Unit
from segharness.execution.worker.unit_runner import DiskFullError, Emit, Workbench, describe
from segharness.plugin.host import PluginHost

_PROGRESS_SECONDS = 0.2

_SWITCH_SECONDS = 0.0005
"""How long a thread that computes in Python may keep the model's thread waiting; Python's own 5 ms are a third of a
fast model's time."""


class _Inbox:
    """The units that the scheduler sends; tells it when this worker can take another."""

    def __init__(self, emit: Emit) -> None:
        self.ended = False
        self._emit = emit
        self._waiting: queue.Queue[Unit | None] = queue.Queue()
        self._wanted = False

    def put(self, unit: Unit | None, end: bool = False) -> None:
        self.ended = self.ended or end
        self._waiting.put(unit)

    def next(self, block: bool) -> Unit | None:
        if not self._wanted and not self.ended and self._waiting.empty():
            self._wanted = True
            self._emit({"event": "want"})
        try:
            unit = self._waiting.get(block)
        except queue.Empty:
            return None
        if unit is not None:
            self._wanted = False
        return unit


class _Answers:
    """Writes events; progress only now and then, for the scheduler need not wake for each image."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._unsaid: dict[str, float] = {}
        self._said = time.monotonic()

    def __call__(self, event: dict[str, Any]) -> None:
        with self._lock:
            now = time.monotonic()
            if event["event"] == "progress":
                for name, value in event.items():
                    if name != "event":
                        self._unsaid[name] = self._unsaid.get(name, 0) + value
                if now - self._said < _PROGRESS_SECONDS:
                    return
            if self._unsaid:
                self._stream.write(json.dumps({"event": "progress", **self._unsaid}) + "\n")
                self._unsaid = {}
            self._said = now
            if event["event"] != "progress":
                self._stream.write(json.dumps(event) + "\n")


def main() -> int:
    """Serve the scheduler that started this process, until it says stop or is gone."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a model prints goes to the log, not into the protocol
    sys.stdout = sys.stderr
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a model that reads stdin, or closes it, is none of ours
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    sys.setswitchinterval(_SWITCH_SECONDS)
    emit = _Answers(answers)
    messages = (json.loads(line) for line in requests)
    opening = next(messages)
    job = Job.from_json(opening["job"])
    inbox = _Inbox(emit)
    try:
        bench = Workbench(job, PluginHost.load(job.plugins), opening["device"])
    except Exception as error:
        logging.exception("this worker could not start")
        emit({"event": "broken", "error": describe(error)})
        return 1
    threading.Thread(target=_listen, args=(messages, inbox, bench), daemon=True, name="messages").start()
    emit({"event": "ready"})
    try:
        bench.serve(inbox, emit)
    except (DiskFullError, LostError):
        return 1
    bench.close()
    return 0


def _listen(messages: Iterator[dict[str, Any]], inbox: _Inbox, bench: Workbench) -> None:
    """Hand on what the scheduler says; end the process at once when it is gone."""
    try:
        for message in messages:
            if message["op"] == "unit":
                inbox.put(Unit.from_json(message["unit"]))
            elif message["op"] == "finish":
                bench.finish()
                inbox.put(None, end=True)
            else:
                inbox.put(None, end=message["op"] == "stop")
    finally:  # also after a line that was cut off when its writer was killed
        os._exit(3)
