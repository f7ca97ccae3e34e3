"""How a run stands, and status.json: that, written while it goes on, for whoever looks from elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segharness.errors import StoreError
from segharness.store import RunFolder
from segharness.store.atomic import write_atomic

EVERY = 1.0
"""How often it is written, in seconds; on an object store a tenth as often."""


@dataclass
class WorkerStatus:
    """How one worker stands.

    Attributes:
        device, state, model: what it is, does and has loaded.
        images: predictions it made.
        rate: images a second, of late.
        waited: the share of that time in which the model waited for an image or for its answers to be encoded.
        failures: files with errors, and units given up, there.
    """

    device: str
    state: str = "starting"
    model: str = ""
    images: int = 0
    rate: float = 0.0
    waited: float = 0.0
    failures: int = 0


@dataclass
class Status:
    """How a run stands.

    Attributes:
        state: ``running``, ``finished``, ``interrupted`` or ``stopped``.
        host, process: where the scheduler is.
        began, updated: seconds since 1970.
        images, made, reused: predictions to make, made so far, and there before.
        cells, done, failed: cells selected, complete, and with errors.
        left: seconds that it will take yet, if that is known.
        workers: by the number of their slot.
        failures: the first failed cells, with their errors.
    """

    state: str = "running"
    host: str = ""
    process: int = 0
    began: float = 0.0
    updated: float = 0.0
    images: int = 0
    made: int = 0
    reused: int = 0
    cells: int = 0
    done: int = 0
    failed: int = 0
    left: float | None = None
    workers: dict[int, WorkerStatus] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Status:
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        for name in ("began", "updated", "images", "made", "reused", "cells", "done", "failed", "process"):
            if not isinstance(known.get(name, 0), (int, float)) or not 0 <= known.get(name, 0) < float("inf"):
                raise ValueError(f"`{name}` is {known[name]!r:.40}")
        if not isinstance(data.get("failures", {}), Mapping):
            raise ValueError("`failures` is no mapping")
        workers = data["workers"] if "workers" in data else data["seats"]  # as it was called up to schema version 2
        known["workers"] = {int(index): WorkerStatus(**worker) for index, worker in workers.items()}
        return cls(**known)

    @property
    def rate(self) -> float:
        """Images a second, of all workers."""
        return sum(worker.rate for worker in self.workers.values() if worker.state == "working")


class StatusFile:
    """Writes a status now and then. That it cannot be written is no reason to stop a run: then it grows old."""

    def __init__(self, folder: RunFolder, status: Status) -> None:
        self._path, self._status = folder.status, status
        self._every = EVERY if isinstance(self._path, Path) else 10 * EVERY
        self._written = 0.0

    def write(self, now: bool = False) -> None:
        """Write the status, if the last is old enough, or `now`."""
        if not now and time.monotonic() - self._written < self._every:
            return
        self._written = time.monotonic()
        try:
            write_atomic(self._path, (json.dumps(self._status.to_json()) + "\n").encode(), durable=False)
        except OSError:
            return


def read_status(folder: RunFolder) -> Status:
    """Return how a run stands, or stood when it was last written.

    Raises:
        StoreError: there is no such run, or the file is damaged.
    """
    try:
        return Status.from_json(json.loads(folder.status.read_text(encoding="utf-8")))
    except FileNotFoundError:
        folder.read_manifest()
        raise StoreError(f"{folder.path}: has no status.json: nothing has run here since it has everything") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{folder.status}: damaged: {error}") from error
