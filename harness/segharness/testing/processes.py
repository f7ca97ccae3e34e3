"""The processes of a run, for tests that interfere with it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def processes(text: str, folder: Path | None = None) -> dict[int, int]:
    """Return the parent process id of every process whose command line contains a text, by process id.

    Args:
        text: to look for in command lines.
        folder: return only processes that a `CommandLine` of this folder started, recognized by their environment
            variables, since other tests may run at the same time.
    """
    output = subprocess.run(
        ["ps", "axeww" if folder else "axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in output.splitlines()]
    mark = f"XDG_CONFIG_HOME={folder}/" if folder else ""
    return {int(pid): int(parent) for pid, parent, args in rows if text in args and mark in args}


def workers_of(scheduler: int) -> list[int]:
    """Return the ids of the worker processes of a run, whose own process id is `scheduler`."""
    return [pid for pid, parent in processes("segharness.worker").items() if parent == scheduler]


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return as soon as a condition holds.

    Raises:
        AssertionError: the condition does not hold within `seconds`.

    Example:
        >>> wait_for(lambda: True, seconds=1)
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"the condition did not hold within {seconds:.0f} s")
        time.sleep(0.02)
