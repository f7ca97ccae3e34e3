"""The executor ``local``: worker processes on this machine, one per device."""

from __future__ import annotations

import platform
import queue
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from segharness.cpu_cores import cores
from segharness.errors import UsageError
from segharness.execution.devices import device_memory, find_devices
from segharness.execution.events import RunEvent, WorkerEvent
from segharness.execution.executors.interface import check_needs
from segharness.execution.executors.schedule import WorkerSlot
from segharness.execution.executors.worker_pool import WorkerHandle, WorkerPool
from segharness.execution.executors.worker_process import WorkerProcess
from segharness.execution.settings import ExecutorOptions
from segharness.execution.units import Job, Unit

MAX_WORKERS = 1024
"""The largest number of workers on one machine."""


class ProcessLauncher:
    """Starts worker processes on this machine. Their logs go to one folder."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._events: queue.Queue[tuple[WorkerHandle, WorkerEvent]] = queue.Queue()
        self._started = 0

    def start(self, job: Job, slot: WorkerSlot) -> WorkerHandle:
        """Start a worker process with the device of a slot."""
        log = self._logs / f"worker-{self._started}.log"
        self._started += 1
        return cast(WorkerHandle, WorkerProcess(job, slot.device, log, self._events))

    def next_event(self, seconds: float) -> tuple[WorkerHandle, WorkerEvent] | None:
        """Return the next event of any worker; see `WorkerLauncher`."""
        try:
            return self._events.get(timeout=seconds)
        except queue.Empty:
            return None


class LocalExecutor:
    """A pool of worker processes."""

    def __init__(self, options: ExecutorOptions) -> None:
        if options.objects:
            raise UsageError("a model object cannot travel to worker processes; use the executor `inline`")
        if options.workers is not None and options.workers > MAX_WORKERS:
            raise UsageError(f"{options.workers} workers on one machine are too many; at most {MAX_WORKERS}")
        devices = list(options.devices) or find_devices() or ["cpu"] * cores()
        if (invalid := [name for name in devices if not re.fullmatch(r"cpu|[a-z]+(:\d+)?", name)]) or not devices:
            raise UsageError(
                f"--devices {','.join(invalid) or ','}: write cpu, cuda or cuda:0, with commas between several"
            )
        if any(name.startswith("cuda") for name in options.devices) and not find_devices():
            raise UsageError(f"--devices {','.join(options.devices)}: PyTorch sees no CUDA device here; give cpu")
        devices = [devices[i % len(devices)] for i in range(options.workers or len(devices))]
        if not options.devices and "cpu" not in devices and any(n.device == "cpu" for n in options.needs.values()):
            devices += ["cpu"] * max(1, cores() // 2)  # some models need a processor
        memory = {device: device_memory(device) for device in dict.fromkeys(devices)}
        slots = [WorkerSlot(i, device, platform.node(), memory[device]) for i, device in enumerate(devices)]
        self.devices: Sequence[str] = devices
        check_needs(options.needs, slots)
        self._pool = WorkerPool(ProcessLauncher(options.logs), slots, options)

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[RunEvent]:
        """Run the units in the pool; see `Executor`."""
        return self._pool.execute(job, units)

    def finish(self) -> None:
        """Finish the files in flight and start no more; see `Executor`."""
        self._pool.finish()


def make(options: ExecutorOptions) -> LocalExecutor:
    """Return a `LocalExecutor`: the factory of the plugin's spec.

    Raises:
        UsageError: the options name objects, too many workers or unusable devices, or a model can run on no device.
    """
    return LocalExecutor(options)
