"""How a run stands, kept from an executor's events: what the display and ``segharness status`` show."""

from __future__ import annotations

import os
import platform
import time

from segharness.execution.executors.interface import Event
from segharness.execution.monitor.cells import RunOutcome
from segharness.execution.monitor.status import SeatStatus, Status

_KEPT = 0.9
"""How much of earlier reports a worker's rate keeps with each new one."""

_FAILURES = 10
"""How many failures are told."""


class Watch:
    """Follows a run's events."""

    def __init__(self, images: int, cells: int, outcome: RunOutcome) -> None:
        now = time.time()
        self.status = Status(
            host=platform.node(), process=os.getpid(), began=now, updated=now, images=images, cells=cells
        )
        self._outcome = outcome
        self._sums: dict[int, tuple[float, float, float]] = {}
        self._count()

    def follow(self, event: Event) -> None:
        """Take one event of an executor, after the ledger did."""
        status, kind = self.status, event["event"]
        seat = status.seats.get(event.get("seat", -1))
        if kind == "seat":
            if seat is None:
                seat = status.seats[event["seat"]] = SeatStatus(event["device"])
            seat.state, seat.model = event["state"], event["model"]
        elif kind == "progress" and seat is not None:
            seat.images += event["images"]
            new = (event["images"], event.get("seconds", 0.0), event.get("waited", 0.0))
            old = self._sums.get(event["seat"], (0.0, 0.0, 0.0))
            images, seconds, waited = (_KEPT * a + b for a, b in zip(old, new, strict=True))
            self._sums[event["seat"]] = (images, seconds, waited)
            if seconds > 0:
                seat.rate, seat.waited = images / seconds, min(1.0, waited / seconds)
        elif kind == "left":
            status.left = event["seconds"]
        elif seat is not None and (kind == "failed" or (kind == "shard" and event["errors"])):
            seat.failures += 1
        self._count()

    def close(self, whole: bool) -> None:
        """Note that the run ended, and how; not `whole` if something of ours failed."""
        outcome = self._outcome
        stopped = outcome.stopped or not whole
        self.status.state = "interrupted" if outcome.interrupted else "stopped" if stopped else "finished"
        self.status.left = None
        for seat in self.status.seats.values():
            seat.state, seat.rate = "ended", 0.0
        self._count()

    def _count(self) -> None:
        outcome, status = self._outcome, self.status
        status.made, status.reused = outcome.made, outcome.reused
        status.done, status.failed = len(outcome.done), len(outcome.failed)
        status.updated = time.time()
        if len(status.failures) < min(_FAILURES, status.failed):
            first = list(outcome.failed.items())[:_FAILURES]
            status.failures = {"::".join(key): error for key, error in first}
