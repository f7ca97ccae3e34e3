"""A plan -> predictions: scheduling, workers, the image pipeline. An executor plugin takes its types from here."""

from segharness.execution.devices import memory_of
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
from segharness.execution.executors.process import WorkerProcess
from segharness.execution.executors.schedule import Schedule, WorkerSlot
from segharness.execution.executors.worker_pool import WorkerHandle, WorkerLauncher, WorkerPool
from segharness.execution.monitor.cells import RunOutcome
from segharness.execution.prepare import PreparedRun, prepare
from segharness.execution.settings import RETRIES, TIMEOUT, ExecutorOptions, RunSettings
from segharness.execution.units import Job, Unit

__all__ = [
    "RETRIES",
    "TIMEOUT",
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
    "execute",
    "from_json",
    "memory_of",
    "prepare",
    "to_json",
]
