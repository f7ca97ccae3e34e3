"""The executor ``inline``: one unit after another in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from segharness.plugins import PluginHost
from segharness.runner.executor import Event, Options
from segharness.runner.units import Job, Unit
from segharness.runner.worker import DiskFullError, Workbench, describe

_log = logging.getLogger(__name__)


class InlineExecutor:
    """Runs units here. A model that ends the process ends the run; what was written stays."""

    def __init__(self, options: Options) -> None:
        self.devices: Sequence[str] = options.devices[:1] or ("cpu",)
        self._options = options

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]:
        host = PluginHost.load(job.plugins)
        bench = Workbench(job, host, self.devices[0], self._options.objects)
        self._options.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self._options.logs / "inline.log", "w", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        ours = logging.getLogger("segharness")
        ours.addHandler(handler)
        propagated, ours.propagate = ours.propagate, False
        try:
            for unit in units:
                events: list[Event] = []
                try:
                    bench.run(unit, events.append)
                except DiskFullError as error:
                    yield from events
                    yield {"event": "disk_full", "unit": unit.index, "error": describe(error)}
                    return
                except (Exception, SystemExit) as error:  # noqa: BLE001  costs the unit
                    yield from events
                    _log.exception("unit %s", unit)
                    yield {"event": "failed", "unit": unit.index, "error": f"model `{unit.model}`: {describe(error)}"}
                else:
                    yield from events
                    yield {"event": "done", "unit": unit.index}
        finally:
            ours.removeHandler(handler)
            handler.close()
            ours.propagate = propagated
            bench.close()


def make(options: Options) -> InlineExecutor:
    return InlineExecutor(options)
