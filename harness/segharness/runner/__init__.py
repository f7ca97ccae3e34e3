"""A plan -> predictions: schedule, workers, the image pipeline."""

from segharness.runner.executor import Event, Executor, Options
from segharness.runner.ledger import RunOutcome
from segharness.runner.scheduler import Prepared, Settings, execute, prepare
from segharness.runner.units import Job, Unit

__all__ = ["Event", "Executor", "Job", "Options", "Prepared", "RunOutcome", "Settings", "Unit", "execute", "prepare"]
