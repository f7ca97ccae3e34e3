"""The executor ``local``: worker processes on this machine, one a device."""

from __future__ import annotations

import platform
import queue
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from segharness.errors import UsageError
from segharness.execution.devices import cores, find_devices, memory_of
from segharness.execution.executors.interface import Event, Options, check_needs
from segharness.execution.executors.process import WorkerProcess
from segharness.execution.executors.schedule import Seat
from segharness.execution.executors.worker_pool import Crew, Worker
from segharness.execution.units import Job, Unit

MOST = 1024
"""How many workers one machine may have."""


class Processes:
    """Worker processes on this machine; their logs lie in one folder."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._inbox: queue.Queue[tuple[Worker, Event]] = queue.Queue()
        self._started = 0

    def start(self, job: Job, seat: Seat) -> Worker:
        log = self._logs / f"worker-{self._started}.log"
        self._started += 1
        return cast(Worker, WorkerProcess(job, seat.device, log, self._inbox))

    def hear(self, seconds: float) -> tuple[Worker, Event] | None:
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None


class LocalExecutor:
    """A crew of worker processes."""

    def __init__(self, options: Options) -> None:
        if options.objects:
            raise UsageError("a model object cannot travel to worker processes; use the executor `inline`")
        if options.workers is not None and options.workers > MOST:
            raise UsageError(f"{options.workers} workers on one machine are too many; at most {MOST}")
        found = list(options.devices) or find_devices() or ["cpu"] * cores()
        if (wrong := [name for name in found if not re.fullmatch(r"cpu|[a-z]+(:\d+)?", name)]) or not found:
            raise UsageError(
                f"--devices {','.join(wrong) or ','}: write cpu, cuda or cuda:0, with commas between several"
            )
        if any(name.startswith("cuda") for name in options.devices) and not find_devices():
            raise UsageError(f"--devices {','.join(options.devices)}: PyTorch sees no CUDA device here; give cpu")
        found = [found[i % len(found)] for i in range(options.workers or len(found))]
        if not options.devices and "cpu" not in found and any(n.device == "cpu" for n in options.needs.values()):
            found += ["cpu"] * max(1, cores() // 2)  # some models run there only
        memory = {device: memory_of(device) for device in dict.fromkeys(found)}
        self._seats = [Seat(i, device, platform.node(), memory[device]) for i, device in enumerate(found)]
        self.devices: Sequence[str] = found
        check_needs(options.needs, self._seats)
        self._crew = Crew(Processes(options.logs), self._seats, options)

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]:
        return self._crew.execute(job, units)

    def finish(self) -> None:
        self._crew.finish()


def make(options: Options) -> LocalExecutor:
    return LocalExecutor(options)
