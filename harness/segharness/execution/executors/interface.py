"""What an executor is: it takes a job and units, and yields events until every unit is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from segharness.errors import UsageError
from segharness.execution.executors.schedule import Seat, can_run
from segharness.execution.units import Job, Unit
from segharness.plugin.specs import Needs
from segharness.records import Model

RETRIES = 2
TIMEOUT = 1800.0

Event: TypeAlias = dict[str, Any]
"""One of

- ``{"event": "progress", "images": n}``: n predictions were made; also `seat`, and the `seconds` that they
  took the model's thread, of which it `waited` for images or for its answers to be encoded;
- ``{"event": "undone", "images": n}``: so many predictions went with the worker that made them;
- ``{"event": "shard", "unit": i, "condition": name, "errors": n, "first_error": text}``: a file pair was written; also
  `images` and `seconds`, a mapping of the stages;
- ``{"event": "done", "unit": i, "conditions": names}``: these files of a unit were written;
- ``{"event": "failed", "unit": i, "conditions": names, "error": text}``: these were given up;
- ``{"event": "seat", "seat": i, "device": name, "state": text, "model": id}``: a worker is starting, loading, working, idle
  or ended;
- ``{"event": "left", "seconds": s}``, now and then: how long all that is left will take, or None;
- ``{"event": "log", "text": text}``: something a person should read;
- ``{"event": "disk_full", "unit": i, "error": text}``: nothing more can be written; the executor ends.
"""


@dataclass(frozen=True)
class Options:
    """How a run was asked to execute.

    Attributes:
        workers: how many workers; None for one a device, or a core.
        devices: e.g. ``("cuda:0", "cuda:1")``; empty to find out.
        logs: a folder for the workers' logs.
        objects: models that are objects in this process; only an executor in this process can take them.
        needs: of the models that will run, by id.
        retries: how often a unit is tried again when its worker dies without having written anything of it.
        timeout: seconds without a sign after which a worker is given up.
        arguments: the values of the executor's own command line arguments, by name.
    """

    workers: int | None = None
    devices: tuple[str, ...] = ()
    logs: Path = Path("logs")
    objects: Mapping[str, Model] = field(default_factory=dict)
    needs: Mapping[str, Needs] = field(default_factory=dict)
    retries: int = RETRIES
    timeout: float = TIMEOUT
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Executor(Protocol):
    """A way to execute units.

    `devices` names what it runs on, one entry a worker. `execute` is a generator: closing it stops the work at once, and
    what was written stays valid. Executing a unit twice must be harmless. `finish` may be called while it runs, from a
    signal handler: nothing more is handed out, the files in flight are finished, and `execute` ends.
    """

    devices: Sequence[str]

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]: ...

    def finish(self) -> None: ...


def check_needs(needs: Mapping[str, Needs], seats: Sequence[Seat]) -> None:
    """Raise UsageError if a model can run on none of the devices; it names all such models."""
    problems = []
    for model, need in needs.items():
        if any(can_run(need, seat) for seat in seats):
            continue
        kind = "device" if need.device == "any" else f"{need.device} device"
        size = f" of {need.memory:g} GiB" if need.memory else ""
        memory = {seat.device: f" of {seat.memory:.1f} GiB" if seat.memory is not None else "" for seat in seats}
        there = ", ".join(f"{device}{size}" for device, size in memory.items())
        problems.append(
            f"model `{model}` needs a {kind}{size}; there is {there}. Leave it out with -k 'not {model}', or give --devices"
        )
    if problems:
        raise UsageError(problems)
