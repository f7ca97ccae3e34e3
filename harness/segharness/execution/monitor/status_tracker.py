"""Keeps the status of a run up to date from an executor's events, for the display and ``segharness status``."""

from __future__ import annotations

import os
import platform
import time

from segharness.execution.events import Progress, RunEvent, ShardWritten, TimeLeft, UnitFailed, WorkerState
from segharness.execution.monitor.cell_tracker import RunOutcome
from segharness.execution.monitor.status import Status, WorkerStatus

_DECAY = 0.9
"""The weight that earlier reports of a worker's rate keep with each new report."""

_FAILURES = 10
"""How many failures the status lists."""


class StatusTracker:
    """Keeps the status of a run up to date.

    Args:
        images: how many predictions the run makes.
        cells: how many cells are selected.
        outcome: the outcome that the cell tracker updates.
    """

    def __init__(self, images: int, cells: int, outcome: RunOutcome) -> None:
        now = time.time()
        self.status = Status(
            host=platform.node(), process=os.getpid(), began=now, updated=now, images=images, cells=cells
        )
        self._outcome = outcome
        self._sums: dict[int, tuple[float, float, float]] = {}
        self._count()

    def follow(self, event: RunEvent) -> None:
        """Update the status with an event of the executor. The cell tracker must have followed the event before."""
        status = self.status
        match event:
            case WorkerState():
                worker = status.workers.setdefault(event.worker, WorkerStatus(event.device))
                worker.state, worker.model = event.state, event.model
            case Progress(worker=int(index)) if index in status.workers:
                self._count_progress(status.workers[index], index, event)
            case TimeLeft():
                status.left = event.seconds
            case UnitFailed(worker=int(index)) if index in status.workers:
                status.workers[index].failures += 1
            case ShardWritten(worker=int(index)) if index in status.workers and event.errors:
                status.workers[index].failures += 1
        self._count()

    def _count_progress(self, worker: WorkerStatus, index: int, event: Progress) -> None:
        worker.images += event.images
        report = (event.images, event.seconds, event.waited)
        earlier = self._sums.get(index, (0.0, 0.0, 0.0))
        images, seconds, waited = (_DECAY * old + new for old, new in zip(earlier, report, strict=True))
        self._sums[index] = (images, seconds, waited)
        if seconds > 0:
            worker.rate, worker.waited = images / seconds, min(1.0, waited / seconds)

    def close(self, completed: bool) -> None:
        """Note that the run ended. `completed` is false if the engine itself failed."""
        outcome = self._outcome
        stopped = outcome.stopped or not completed
        self.status.state = "interrupted" if outcome.interrupted else "stopped" if stopped else "finished"
        self.status.left = None
        self.status.not_run = self.status.cells - len(outcome.done) - len(outcome.failed) + outcome.not_selected
        for worker in self.status.workers.values():
            worker.state, worker.rate = "ended", 0.0
        self._count()
        self.status.made = outcome.made

    def _count(self) -> None:
        outcome, status = self._outcome, self.status
        status.made, status.errors, status.reused = (
            max(0, outcome.attempted - outcome.errors),
            outcome.errors,
            outcome.reused,
        )
        status.done, status.failed = len(outcome.done), len(outcome.failed)
        status.updated = time.time()
        if len(status.failures) < min(_FAILURES, status.failed):
            first = list(outcome.failed.items())[:_FAILURES]
            status.failures = {"::".join(key): error for key, error in first}
