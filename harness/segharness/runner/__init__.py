"""A plan -> predictions: schedule, workers, the image pipeline. An executor plugin takes its types from here."""

from segharness.runner.crew import Crew, Worker, Workers
from segharness.runner.devices import memory_of
from segharness.runner.executor import RETRIES, TIMEOUT, Event, Executor, Options, check_needs
from segharness.runner.ledger import RunOutcome
from segharness.runner.process import WorkerProcess
from segharness.runner.schedule import Schedule, Seat
from segharness.runner.scheduler import Prepared, Settings, execute, prepare
from segharness.runner.units import Job, Unit

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
