"""The executor ``inline``: one unit after another in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from segharness.errors import LostError
from segharness.execution.devices import memory_of
from segharness.execution.executors.interface import Event, Options, check_needs
from segharness.execution.executors.schedule import Seat
from segharness.execution.units import Job, Unit
from segharness.execution.worker.unit_runner import DiskFullError, Workbench
from segharness.plugin.host import PluginHost


class _One:
    """A single unit, for `Workbench.serve`."""

    def __init__(self, unit: Unit) -> None:
        self._unit: Unit | None = unit
        self.ended = False

    def next(self, block: bool) -> Unit | None:
        unit, self._unit = self._unit, None
        self.ended = True
        return unit


class InlineExecutor:
    """Runs units here. A model that ends the process ends the run; what was written stays."""

    def __init__(self, options: Options) -> None:
        self.devices: Sequence[str] = options.devices[:1] or ("cpu",)
        check_needs(options.needs, [Seat(0, self.devices[0], memory=memory_of(self.devices[0]))])
        self._options = options
        self._bench: Workbench | None = None
        self._finishing = False

    def finish(self) -> None:
        self._finishing = True
        if self._bench is not None:
            self._bench.finish()

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]:
        host = PluginHost.load(job.plugins)
        self._bench = bench = Workbench(job, host, self.devices[0], self._options.objects)
        self._options.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self._options.logs / "inline.log", "w", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        ours = logging.getLogger("segharness")
        ours.addHandler(handler)
        propagated, ours.propagate = ours.propagate, False
        try:
            for unit in units:
                if self._finishing:
                    return
                for attempt in range(self._options.retries + 1):
                    events: list[Event] = []
                    try:
                        bench.serve(_One(unit), events.append)
                    except DiskFullError:
                        yield from events
                        return
                    except LostError as error:
                        bench.close()
                        if attempt < self._options.retries:
                            continue
                        error_of = {"unit": unit.index, "conditions": unit.conditions, "error": str(error)}
                        events.append({"event": "failed", **error_of})
                    yield from events
                    break
        finally:
            ours.removeHandler(handler)
            handler.close()
            ours.propagate = propagated
            bench.close()


def make(options: Options) -> InlineExecutor:
    return InlineExecutor(options)
