"""How a run was asked to execute: nothing here changes a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segharness.plugin.specs import Needs
from segharness.records import Model
from segharness.store import StorePath

RETRIES = 2
TIMEOUT = 1800.0


@dataclass(frozen=True)
class ExecutorOptions:
    """What an executor is made with.

    Attributes:
        workers: how many workers; None for one a device, or one a core.
        devices: for example ``("cuda:0", "cuda:1")``; empty to find out.
        retries: how often a unit is tried again when its worker dies without having written anything of it.
        timeout: seconds without an event after which a worker is killed.
        arguments: the values of the executor's own command line arguments, by name.
        objects: models that are objects in this process, by id; only an executor in this process can take them.
        needs: of the models that will run, by id; the run fills it in.
        logs: the folder for the workers' logs; the run fills it in.
    """

    workers: int | None = None
    devices: tuple[str, ...] = ()
    retries: int = RETRIES
    timeout: float = TIMEOUT
    arguments: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[str, Model] = field(default_factory=dict)
    needs: Mapping[str, Needs] = field(default_factory=dict)
    logs: Path = Path("logs")


@dataclass(frozen=True)
class RunSettings:
    """How to run a plan.

    Attributes:
        out: the run folder.
        fresh: make every selected file again, also those that are there.
        maxfail: stop after that many failed cells; 0 for never.
        log_file: gets the run's events as JSON lines.
        executor: its name.
        options: what the executor is made with.
    """

    out: StorePath
    fresh: bool = False
    maxfail: int = 0
    log_file: Path | None = None
    executor: str = "local"
    options: ExecutorOptions = field(default_factory=ExecutorOptions)
