"""The interface of executors: an executor takes a job and units, and yields events until every unit is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from segharness.errors import UsageError
from segharness.execution.events import RunEvent
from segharness.execution.executors.schedule import WorkerSlot, can_run
from segharness.execution.units import Job, Unit
from segharness.plugin.specs import Needs


class Executor(Protocol):
    """Executes units.

    Executing a unit twice must be harmless.

    Attributes:
        devices: the devices that it runs on, one entry per worker.
    """

    devices: Sequence[str]

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[RunEvent]:
        """Yield events until every unit is settled.

        This is a generator. Closing it stops the work at once; files that were written stay valid.
        """
        ...

    def finish(self) -> None:
        """Hand out no more units and finish the files in flight; `execute` then ends.

        A signal handler may call this while `execute` runs.
        """


def check_needs(needs: Mapping[str, Needs], slots: Sequence[WorkerSlot]) -> None:
    """Raise UsageError if some models can run on none of the devices. The error names all of them."""
    problems = []
    for model, need in needs.items():
        if any(can_run(need, slot) for slot in slots):
            continue
        kind = "device" if need.device == "any" else f"{need.device} device"
        size = f" of {need.memory:g} GiB" if need.memory else ""
        memory = {slot.device: f" of {slot.memory:.1f} GiB" if slot.memory is not None else "" for slot in slots}
        available = ", ".join(f"{device}{size}" for device, size in memory.items())
        problems.append(
            f"model `{model}` needs a {kind}{size}; there is {available}. "
            f"Leave it out with -k 'not {model}', or give --devices"
        )
    if problems:
        raise UsageError(problems)
