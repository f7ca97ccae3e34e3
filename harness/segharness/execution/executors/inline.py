"""The executor ``inline``: runs one unit after another in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from segharness.errors import LostError
from segharness.execution.devices import device_memory
from segharness.execution.events import RunEvent, UnitFailed, WorkerEvent
from segharness.execution.executors.interface import check_needs
from segharness.execution.executors.schedule import WorkerSlot
from segharness.execution.settings import ExecutorOptions
from segharness.execution.units import Job, Unit
from segharness.execution.worker.unit_runner import DiskFullError, UnitRunner
from segharness.plugin.host import PluginHost


class _SingleUnit:
    """Gives `UnitRunner.serve` a single unit."""

    def __init__(self, unit: Unit) -> None:
        self._unit: Unit | None = unit
        self.ended = False

    def next(self, block: bool) -> Unit | None:
        unit, self._unit = self._unit, None
        self.ended = True
        return unit


class InlineExecutor:
    """Runs units in this process. A model that ends the process ends the run; files that were written stay."""

    def __init__(self, options: ExecutorOptions) -> None:
        self.devices: Sequence[str] = options.devices[:1] or ("cpu",)
        check_needs(options.needs, [WorkerSlot(0, self.devices[0], memory=device_memory(self.devices[0]))])
        self._options = options
        self._runner: UnitRunner | None = None
        self._finishing = False

    def finish(self) -> None:
        """Finish the files in flight and start no more; see `Executor`."""
        self._finishing = True
        if self._runner is not None:
            self._runner.finish()

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[RunEvent]:
        """Run the units in order; see `Executor`."""
        host = PluginHost.load(job.plugins)
        self._runner = runner = UnitRunner(job, host, self.devices[0], self._options.objects)
        self._options.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self._options.logs / "inline.log", "w", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        engine_logger = logging.getLogger("segharness")
        engine_logger.addHandler(handler)
        propagated, engine_logger.propagate = engine_logger.propagate, False
        try:
            for unit in units:
                if self._finishing:
                    return
                for attempt in range(self._options.retries + 1):
                    events: list[WorkerEvent] = []
                    try:
                        runner.serve(_SingleUnit(unit), events.append)
                    except DiskFullError:
                        yield from _run_events(events)
                        return
                    except LostError as error:
                        runner.close()
                        if attempt < self._options.retries:
                            continue
                        events.append(UnitFailed(unit.index, unit.conditions, str(error)))
                    yield from _run_events(events)
                    break
        finally:
            engine_logger.removeHandler(handler)
            handler.close()
            engine_logger.propagate = propagated
            runner.close()


def _run_events(events: Sequence[WorkerEvent]) -> Iterator[RunEvent]:
    """Yield the events that are for the run. The others are for a pool of workers."""
    for event in events:
        if isinstance(event, RunEvent):
            yield event


def make(options: ExecutorOptions) -> InlineExecutor:
    """Return an `InlineExecutor`: the factory of the plugin's spec."""
    return InlineExecutor(options)
