"""Executes a plan: scheduling, workers, the image pipeline. Executor plugins import their types from here."""

from segharness.execution.devices import device_memory
from segharness.execution.events import (
    RunEvent,
    WorkerBroken,
    WorkerEnded,
    WorkerEvent,
    from_json,
    to_json,
)
from segharness.execution.execute import execute
from segharness.execution.executors.interface import Executor, check_needs
from segharness.execution.executors.schedule import Schedule, WorkerSlot
from segharness.execution.executors.worker_pool import WorkerHandle, WorkerLauncher, WorkerPool
from segharness.execution.executors.worker_process import WorkerProcess
from segharness.execution.monitor.cell_tracker import RunOutcome
from segharness.execution.prepare import PreparedRun, prepare
from segharness.execution.settings import (
    DEFAULT_GIVE_UP_AFTER,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    ExecutorOptions,
    RunSettings,
)
from segharness.execution.units import Job, Unit

__all__ = [
    "DEFAULT_GIVE_UP_AFTER",
    "DEFAULT_RETRIES",
    "DEFAULT_TIMEOUT",
    "Executor",
    "ExecutorOptions",
    "Job",
    "PreparedRun",
    "RunEvent",
    "RunOutcome",
    "RunSettings",
    "Schedule",
    "Unit",
    "WorkerBroken",
    "WorkerEnded",
    "WorkerEvent",
    "WorkerHandle",
    "WorkerLauncher",
    "WorkerPool",
    "WorkerProcess",
    "WorkerSlot",
    "check_needs",
    "device_memory",
    "execute",
    "from_json",
    "prepare",
    "to_json",
]
