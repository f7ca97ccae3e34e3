"""Settings of a run and its executor. None of them changes a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segharness.plugin.specs import Needs
from segharness.records import Model
from segharness.store import StorePath

DEFAULT_RETRIES = 2
"""Default of `ExecutorOptions.retries`."""

DEFAULT_TIMEOUT = 1800.0
"""Default of `ExecutorOptions.timeout`, in seconds."""


DEFAULT_GIVE_UP_AFTER = 16
"""Default of `RunSettings.give_up_after`, in images."""


@dataclass(frozen=True)
class ExecutorOptions:
    """The options of an executor.

    Attributes:
        workers: how many workers; None for one per device or, without accelerators, one per core.
        devices: for example ``("cuda:0", "cuda:1")``; empty to use those that the machine has.
        retries: how often a unit is tried again after its worker died without writing any of it.
        timeout: seconds without an event after which a worker is killed.
        arguments: the values of the executor's own command line arguments, by name.
        objects: models that are objects in this process, by id. Only an executor in this process accepts them.
        needs: the needs of the models that will run, by id; the run sets it.
        logs: the folder for the workers' logs; the run sets it.
    """

    workers: int | None = None
    devices: tuple[str, ...] = ()
    retries: int = DEFAULT_RETRIES
    timeout: float = DEFAULT_TIMEOUT
    arguments: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[str, Model] = field(default_factory=dict)
    needs: Mapping[str, Needs] = field(default_factory=dict)
    logs: Path = Path("logs")


@dataclass(frozen=True)
class RunSettings:
    """How to run a plan.

    Attributes:
        out: the run folder.
        fresh: make every selected file again, even if it exists.
        maxfail: stop after that many failed cells; 0 for no limit.
        give_up_after: a model that fails on so many images and answers none is given up; 0 for never.
        log_file: a file to which the run's events are appended as JSON lines.
        executor: the executor's name.
        options: the executor's options.
    """

    out: StorePath
    fresh: bool = False
    maxfail: int = 0
    log_file: Path | None = None
    executor: str = "local"
    options: ExecutorOptions = field(default_factory=ExecutorOptions)
    give_up_after: int = DEFAULT_GIVE_UP_AFTER
