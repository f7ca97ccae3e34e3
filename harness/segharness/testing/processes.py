"""The processes of a run, for tests that disturb it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def processes(text: str, folder: Path | None = None) -> dict[int, int]:
    """Return the processes whose command line holds a text, each with its parent.

    Args:
        text: what the command line holds.
        folder: only those that :class:`CommandLine` started in this folder, by the environment that they inherited:
            other tests run beside this one.
    """
    listed = subprocess.run(
        ["ps", "axeww" if folder else "axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    mark = f"XDG_CONFIG_HOME={folder}/" if folder else ""
    return {int(pid): int(parent) for pid, parent, args in rows if text in args and mark in args}


def workers_of(scheduler: int) -> list[int]:
    """Return the worker processes that a run started, by the process of the run."""
    return [pid for pid, parent in processes("segharness.worker").items() if parent == scheduler]


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return as soon as a condition holds.

    Raises:
        AssertionError: it does not in so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it did not come to this in {seconds:.0f} s")
        time.sleep(0.02)
