"""What an executor is: it takes a job and units, and yields events until every unit is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from segharness.errors import UsageError
from segharness.execution.events import RunEvent
from segharness.execution.executors.schedule import WorkerSlot, can_run
from segharness.execution.units import Job, Unit
from segharness.plugin.specs import Needs


class Executor(Protocol):
    """A way to execute units.

    `devices` names what it runs on, one entry a worker. `execute` is a generator: closing it stops the work at once, and
    what was written stays valid. Executing a unit twice must be harmless. `finish` may be called while it runs, from a
    signal handler: nothing more is handed out, the files in flight are finished, and `execute` ends.
    """

    devices: Sequence[str]

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[RunEvent]: ...

    def finish(self) -> None: ...


def check_needs(needs: Mapping[str, Needs], slots: Sequence[WorkerSlot]) -> None:
    """Raise UsageError if a model can run on none of the devices; it names all such models."""
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
