"""A plan -> predictions: schedule, workers, the image pipeline. An executor plugin takes its types from here."""

from segharness.execution.devices import memory_of
from segharness.execution.executors.interface import RETRIES, TIMEOUT, Event, Executor, Options, check_needs
from segharness.execution.executors.process import WorkerProcess
from segharness.execution.executors.schedule import Schedule, Seat
from segharness.execution.executors.worker_pool import Crew, Worker, Workers
from segharness.execution.monitor.cells import RunOutcome
from segharness.execution.scheduler import Prepared, Settings, execute, prepare
from segharness.execution.units import Job, Unit

__all__ = [
    "RETRIES",
    "TIMEOUT",
    "Crew",
    "Event",
    "Executor",
    "Job",
    "Options",
    "Prepared",
    "RunOutcome",
    "Schedule",
    "Seat",
    "Settings",
    "Unit",
    "Worker",
    "WorkerProcess",
    "Workers",
    "check_needs",
    "execute",
    "memory_of",
    "prepare",
]
