"""The actor on a node: it holds a device and a worker process, and passes messages on."""

from __future__ import annotations

import platform
import queue
import tempfile
import threading
from pathlib import Path
from typing import Any

from segharness.execution import Job, WorkerBroken, WorkerEnded, WorkerEvent, WorkerProcess, device_memory


def node_memory(gpus: bool) -> tuple[str, dict[str, float | None]]:
    """Return a node's name, and the GiB of memory of its CPU and of its first GPU (``cuda``); None if unknown."""
    return platform.node(), {"cpu": device_memory("cpu"), "cuda": device_memory("cuda:0") if gpus else None}


class WorkerActor:
    """A worker process and its events. `poll` and `send` may be called at the same time."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[Any, WorkerEvent]] = queue.Queue()
        self._worker: WorkerProcess | None = None
        self._lock = threading.Lock()
        self._early: list[dict[str, Any]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="segharness-ray-")

    def open(self, job: dict[str, Any], device: str, mark: str | None) -> None:
        """Start the worker.

        Args:
            job: a `segharness.execution.Job` as JSON.
            device: the worker's device.
            mark: a file in the run folder, which this node must see; None if the run folder is a URL.
        """
        if mark is not None and not Path(mark).is_file():
            where = f"{Path(mark).parent} is not shared with {platform.node()}"
            self._events.put((None, WorkerBroken(f"{where}: give --out on a shared file system, or a URL")))
            self._events.put((None, WorkerEnded(where)))
            return
        log = Path(self._folder.name) / "worker.log"
        try:
            worker = WorkerProcess(Job.from_json(job), device, log, self._events)
        except Exception as error:  # noqa: BLE001  the driver reports it; it cannot see this node
            how = f"{type(error).__name__} on {platform.node()}: {error}"
            self._events.put((None, WorkerBroken(how)))
            self._events.put((None, WorkerEnded(how)))
            return
        with self._lock:
            self._worker = worker
            for message in self._early:
                worker.send(message)

    def send(self, message: dict[str, Any]) -> None:
        """Pass a message to the worker, or keep it until the worker has started."""
        with self._lock:
            if self._worker is None:
                self._early.append(message)  # the worker is still being started
            else:
                self._worker.send(message)

    def poll(self, seconds: float) -> list[WorkerEvent]:
        """Return the worker's new events; wait at most `seconds` for the first one."""
        events = []
        try:
            events.append(self._events.get(timeout=seconds)[1])
            while True:
                events.append(self._events.get_nowait()[1])
        except queue.Empty:
            return events

    def stop(self, grace: float) -> None:
        """Stop the worker, killing it after `grace` seconds, and delete its log."""
        if self._worker is not None:
            self._worker.stop(grace)
        self._folder.cleanup()
