"""The status of a run, and status.json, to which a run writes its status for other processes to read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segharness.errors import StoreError
from segharness.redaction import without_folders
from segharness.store import RunFolder
from segharness.store.arrow_file import read_regular
from segharness.store.atomic import write_atomic

WRITE_INTERVAL = 1.0
"""The interval in seconds at which status.json is written; ten times as long on an object store."""

_NUMBERS = ("began", "updated", "images", "made", "errors", "reused", "cells", "done", "failed", "not_run", "process")
"""The attributes of a `Status` that are numbers from 0."""


@dataclass
class WorkerStatus:
    """The status of a worker.

    Attributes:
        device: the device as shown to the user.
        state: a state of `WorkerState`.
        model: the model that it has loaded.
        images: how many predictions it made.
        rate: recent images per second.
        waited: the share of that time in which the model waited for images, or for its results to be encoded.
        failures: how many of its files have errors, plus the units that it gave up.
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
    """The status of a run.

    Attributes:
        state: ``running``, ``finished``, ``interrupted`` or ``stopped``.
        host: the machine of the scheduler; empty once it has ended.
        process: the process id of the scheduler; 0 once it has ended.
        began: when the run began, in seconds since 1970.
        updated: when the status last changed, in seconds since 1970.
        images: how many predictions the run makes.
        made: how many it has made, while it is running also those that are not written yet; images that failed are none.
        errors: how many images failed.
        reused: how many existed before.
        cells: how many cells are selected.
        done: how many are complete without errors.
        failed: how many have errors.
        not_run: once the run has ended, how many cells of the suite are neither complete nor failed, selected or not.
        left: an estimate of the remaining seconds, if there is one.
        workers: the workers, by the index of their slot.
        failures: the first failed cells, with their errors.
    """

    state: str = "running"
    host: str = ""
    process: int = 0
    began: float = 0.0
    updated: float = 0.0
    images: int = 0
    made: int = 0
    errors: int = 0
    reused: int = 0
    cells: int = 0
    done: int = 0
    failed: int = 0
    not_run: int = 0
    left: float | None = None
    workers: dict[int, WorkerStatus] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the status as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Status:
        """Return the status that `to_json` wrote, also of earlier versions; unknown keys are ignored.

        Raises:
            ValueError: a number is not finite, is negative or is no number; `failures` is not a mapping.
            TypeError, AttributeError: the workers are malformed.
        """
        if not isinstance(data, Mapping):
            raise ValueError("not a JSON object")
        values = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        for name in _NUMBERS:
            if not isinstance(values.get(name, 0), (int, float)) or not 0 <= values.get(name, 0) < 1e15:
                raise ValueError(f"`{name}` is {values[name]!r:.40}")
        if not isinstance(data.get("failures", {}), Mapping):
            raise ValueError("`failures` is no mapping")
        workers = data.get("workers", data.get("seats"))  # `seats` in schema versions 1 and 2
        if not isinstance(workers, Mapping):
            raise ValueError("`workers` is missing, or no mapping")
        values["workers"] = {int(index): WorkerStatus(**worker) for index, worker in workers.items()}
        return cls(**values)

    @property
    def rate(self) -> float:
        """Images per second, summed over the working workers."""
        return sum(worker.rate for worker in self.workers.values() if worker.state == "working")


class StatusFile:
    """Writes a status from time to time. A failure to write does not stop the run; the file then stays as it is.

    Args:
        folder: of the run.
        status: which changes meanwhile.
        hide: takes out of an error's text what only this machine may know.
    """

    def __init__(self, folder: RunFolder, status: Status, hide: Callable[[str], str] = without_folders) -> None:
        self._path, self._status, self._hide = folder.status, status, hide
        self._every = WRITE_INTERVAL if isinstance(self._path, Path) else 10 * WRITE_INTERVAL
        self._written = 0.0

    def write(self, now: bool = False) -> None:
        """Write the status if the last write is long enough ago, or if `now` is true."""
        if not now and time.monotonic() - self._written < self._every:
            return
        self._written = time.monotonic()
        content = self._status.to_json()
        content["failures"] = {cell: self._hide(error) for cell, error in self._status.failures.items()}
        if self._status.state != "running":  # nobody needs to know any more where it ran
            content |= {"host": "", "process": 0}
        try:
            write_atomic(self._path, (json.dumps(content) + "\n").encode(), durable=False)
        except OSError:
            return


def read_status(folder: RunFolder) -> Status:
    """Return the status of a run when it was last written.

    Raises:
        StoreError: there is no such run, or the file is damaged.
    """
    try:
        return Status.from_json(json.loads(read_regular(folder.status).decode()))
    except FileNotFoundError:
        folder.read_manifest()
        raise StoreError(f"{folder.path}: has no status.json: no run here has had predictions to make") from None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{folder.status}: damaged: {str(error)[:200]}") from error
