"""What an executor is: it takes a job and units, and yields events until every unit is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from segharness.records import Model
from segharness.runner.units import Job, Unit

Event: TypeAlias = dict[str, Any]
"""One of

- ``{"event": "progress", "images": n}``: n predictions were made;
- ``{"event": "shard", "unit": i, "condition": name, "errors": n, "first_error": text}``: a file pair was written;
- ``{"event": "done", "unit": i}``: all files of a unit were written;
- ``{"event": "failed", "unit": i, "error": text}``: a unit was given up;
- ``{"event": "log", "text": text}``: something a person should read;
- ``{"event": "disk_full", "unit": i, "error": text}``: nothing more can be written; the executor ends.
"""


@dataclass(frozen=True)
class Options:
    """How a run was asked to execute.

    Attributes:
        workers: how many CPU workers; None for one a core.
        devices: e.g. ``("cuda:0", "cuda:1")``; empty to find out.
        logs: a folder for the workers' logs.
        objects: models that are objects in this process; only an executor in this process can take them.
    """

    workers: int | None = None
    devices: tuple[str, ...] = ()
    logs: Path = Path("logs")
    objects: Mapping[str, Model] = field(default_factory=dict)


class Executor(Protocol):
    """A way to execute units.

    `devices` names what it runs on, one entry a worker. `execute` is a generator: closing it stops the work at once, and
    what was written stays valid. Executing a unit twice must be harmless.
    """

    devices: Sequence[str]

    def execute(self, job: Job, units: Sequence[Unit]) -> Iterator[Event]: ...
