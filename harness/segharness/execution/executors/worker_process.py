"""A worker process on this machine, and the threads that read its events."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from segharness.errors import exit_text
from segharness.execution.events import WorkerEnded, WorkerEvent, from_json
from segharness.execution.units import Job

_LOG_TAIL = 3

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""A sum over several threads differs from a sum over one in the last digits. The number of threads must therefore not
depend on how many workers share the cores. If the user sets these variables, every worker has the user's number."""


class WorkerProcess:
    """A process ``python -m segharness.worker`` that works on a job.

    It puts its events into `events` as pairs of this object and the event. The last event is a `WorkerEnded`.

    Args:
        job: the job.
        device: the worker's device.
        log: the file for everything that the worker and its model print.
        events: the queue; several workers may share it.
    """

    def __init__(
        self,
        job: Job,
        device: str,
        log: Path,
        events: queue.Queue[tuple[Any, WorkerEvent]],
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "segharness.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                errors="replace",
                env={**_ONE_THREAD, **os.environ, "OPENCV_FOR_THREADS_NUM": "1"},
                start_new_session=True,  # the scheduler handles Ctrl-C
            )
        self.send({"op": "open", "job": job.to_json(), "device": device})
        self._reader = threading.Thread(target=self._read, args=(events,), daemon=True, name=log.stem)
        self._reader.start()
        threading.Thread(target=self._wait, args=(events,), daemon=True, name=f"{log.stem}-end").start()

    def send(self, message: dict[str, Any]) -> None:
        """Send a request; see `segharness.execution.worker.main`. Does nothing if the process has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # the thread that waits for the process reports its end

    def tail(self) -> str:
        """Return the last lines of the log as one line, for a message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                text = file.read().decode(errors="replace")
        except OSError as error:
            return f"{self.log} cannot be read: {error.strerror}"
        return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-_LOG_TAIL:])[-400:]

    def stop(self, grace: float) -> None:
        """End the process. It has `grace` seconds to close its model."""
        if grace:
            self.send({"op": "stop"})
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        self.kill()

    def kill(self) -> None:
        """Kill the process and all that it started: it leads its own session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _read(self, events: queue.Queue[tuple[Any, WorkerEvent]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = from_json(json.loads(line))
            except ValueError:
                continue  # a half-written line of a killed process, or output of a model
            if event is not None:
                events.put((self, event))

    def _wait(self, events: queue.Queue[tuple[Any, WorkerEvent]]) -> None:
        """Report the end of the process after its events. A child of it may hold the pipe open for longer."""
        code = self.process.wait()
        self._reader.join(timeout=2)
        self.kill()  # including processes that it left behind
        how = "signal 9 (killed, perhaps for want of memory)" if code == -signal.SIGKILL else exit_text(code)
        events.put((self, WorkerEnded(how, self.tail())))
