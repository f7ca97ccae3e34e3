"""The executor ``local``: worker processes on this machine, one a device."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from segharness.errors import UsageError
from segharness.runner.devices import cores, find_devices
from segharness.runner.executor import Event, Options
from segharness.runner.units import Job, Unit

_ATTEMPTS = 2
"""How often a unit is tried when its worker dies."""

_LOG_TAIL = 3


class _Worker:
    """A process, and the thread that reads its events."""

    def __init__(
        self, index: int, device: str, job: Job, logs: Path, inbox: queue.Queue[tuple[_Worker, Event]]
    ) -> None:
        self.device, self.model = device, ""
        self.unit: Unit | None = None
        self.written: set[str] = set()
        self.ready = False
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"worker-{index}.log"
        threads = str(job.threads)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENCV_FOR_THREADS_NUM": "1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "segharness.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                start_new_session=True,  # Ctrl-C is the scheduler's to handle
            )
        self.send({"op": "open", "job": job.to_json(), "device": device})
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True, name=f"worker-{index}")
        self._reader.start()
        threading.Thread(target=self._wait, args=(inbox,), daemon=True, name=f"worker-{index}-end").start()

    def send(self, message: Event) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # its end is reported by the thread that reads from it

    def _read(self, inbox: queue.Queue[tuple[_Worker, Event]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                return  # the last, half-written line of a process that was killed
            inbox.put((self, event))

    def _wait(self, inbox: queue.Queue[tuple[_Worker, Event]]) -> None:
        """Report the end of the process, after what it said; a child of its own may hold the pipe open for longer."""
        code = self.process.wait()
        self._reader.join(timeout=2)
        inbox.put((self, {"event": "ended", "code": code}))

    def left(self) -> Unit | None:
        """Return what the worker has not written of its unit."""
        if self.unit is None:
            return None
        missing = tuple(name for name in self.unit.conditions if name not in self.written)
        return replace(self.unit, conditions=missing) if missing else None

    def tail(self) -> str:
        """Return the last lines of the log, for a message."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
        return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-_LOG_TAIL:])[-400:]

    def stop(self, grace: float) -> None:
        """End the process: it may take `grace` seconds to let go of its model."""
        if grace:
            self.send({"op": "stop"})
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self._kill()
            self.process.wait()
        self._kill()

    def _kill(self) -> None:
        """Kill the process and what it started: it leads a session of its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class LocalExecutor:
    """Hands units to workers; a worker keeps its model while it has units for it, and small units come last."""

    def __init__(self, options: Options) -> None:
        found = list(options.devices) or find_devices() or ["cpu"] * cores()
        self.devices: Sequence[str] = [found[i % len(found)] for i in range(options.workers or len(found))]
        if options.objects:
            raise UsageError("a model object cannot travel to worker processes; use the executor `inline`")
        self._logs = options.logs

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]:
        pending = sorted(units, key=lambda u: -u.images)
        attempts: Counter[int] = Counter()
        inbox: queue.Queue[tuple[_Worker, Event]] = queue.Queue()
        workers: list[_Worker] = []
        started = 0
        broken = 0
        unsettled = {unit.index: unit for unit in units}

        def start(device: str) -> None:
            nonlocal started
            workers.append(_Worker(started, device, job, self._logs, inbox))
            started += 1

        try:
            for device in self.devices[: len(units)]:
                start(device)
            while unsettled:
                worker, event = inbox.get()
                kind = event["event"]
                if kind == "broken":
                    yield {"event": "log", "text": f"a worker could not start: {event['error']}; see {worker.log}"}
                elif kind == "ended":
                    workers.remove(worker)
                    broken += not worker.ready
                    unit = worker.left()
                    if unit is not None and unit.index in unsettled:
                        attempts[unit.index] += 1
                        how = f"its worker ended with {_exit(event['code'])}: {worker.tail() or 'no output'}"
                        if attempts[unit.index] < _ATTEMPTS:
                            yield {
                                "event": "log",
                                "text": f"model `{unit.model}`: {how}; trying again on a fresh worker",
                            }
                            pending.insert(0, unit)
                        else:
                            del unsettled[unit.index]
                            yield {"event": "failed", "unit": unit.index, "error": f"model `{unit.model}`: {how}"}
                    if pending and broken < 2 * len(self.devices):
                        start(worker.device)
                    elif not workers:
                        for index in list(unsettled):
                            yield {
                                "event": "failed",
                                "unit": index,
                                "error": f"no worker could be started; see {worker.log}",
                            }
                        return
                else:
                    worker.ready = True
                    if kind in ("done", "failed", "ready"):
                        if kind != "ready":
                            unsettled.pop(event["unit"], None)
                        worker.unit = _next(pending, worker, workers)
                        worker.written.clear()
                        if worker.unit is not None:
                            worker.model = worker.unit.model
                            worker.send({"op": "unit", "unit": worker.unit.to_json()})
                        else:
                            worker.send({"op": "stop"})
                    if kind == "shard":
                        worker.written.add(event["condition"])
                    if kind != "ready":
                        yield event
                    if kind == "disk_full":
                        return
        finally:
            for worker in workers:
                worker.stop(grace=0 if unsettled else 5)


def _next(pending: list[Unit], worker: _Worker, workers: Sequence[_Worker]) -> Unit | None:
    """Take the next unit: of the model the worker has, else of the model that fewest workers have."""
    if not pending:
        return None
    busy = Counter(other.model for other in workers if other.unit is not None and other is not worker)
    models = list(dict.fromkeys(unit.model for unit in pending))
    model = worker.model if worker.model in models else min(models, key=lambda m: (busy[m], models.index(m)))
    chosen = next(unit for unit in pending if unit.model == model)
    pending.remove(chosen)
    return chosen


def _exit(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def make(options: Options) -> LocalExecutor:
    return LocalExecutor(options)
