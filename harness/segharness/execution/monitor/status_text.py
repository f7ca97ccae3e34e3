"""The status of a run as text: the table under the progress bar and the output of ``segharness status``."""

from __future__ import annotations

import os
import platform
import time

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.execution.monitor.status import Status

MAX_SHOWN = 16
"""How many workers the table shows. If there are more, it shows the slowest."""

DEAD_AFTER = 60.0
"""A run that wrote no status for so many seconds is probably dead."""


def duration(seconds: float | None) -> str:
    """Return ``-``, ``40 s``, ``5:07 min``, ``3:12 h`` or ``2.1 days``."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
    if seconds < 86400:
        return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02d} h"
    return f"{seconds / 86400:.1f} days"


def workers_table(status: Status) -> Table:
    """Return a table with a row per worker: its model, state, speed, waiting time and failures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("device", "model", ""):
        table.add_column(name, overflow="fold")
    for name in ("images", "images/s", "waited", "failures"):
        table.add_column(name, justify="right")
    workers = sorted(status.workers.items())
    if len(workers) > MAX_SHOWN:
        workers = sorted(sorted(workers, key=lambda pair: pair[1].rate)[:MAX_SHOWN])
    for index, worker in workers:
        working = worker.state == "working"
        table.add_row(
            Text(f"{index} {worker.device}"),
            Text(worker.model),
            Text(worker.state),
            str(worker.images),
            f"{worker.rate:.1f}" if working else "",
            f"{100 * worker.waited:.0f} %" if working else "",
            str(worker.failures) if worker.failures else "",
        )
    if len(status.workers) > MAX_SHOWN:
        table.caption = f"the {MAX_SHOWN} slowest of {len(status.workers)} workers"
        table.caption_justify = "left"
    return table


def summary(status: Status, now: float | None = None) -> list[str]:
    """Return lines of text that describe a status. `now` is in seconds since 1970; None for the current time."""
    age = max(0.0, (time.time() if now is None else now) - status.updated)
    state = status.state
    if state == "running" and _is_gone(status):
        state = f"killed, {duration(age)} ago or less; the same command continues"
    elif state == "running" and age > DEAD_AFTER:
        state = f"no sign of it for {duration(age)}: killed, or cut off; the same command continues"
    elif state == "running":
        state = f"running, written {duration(age)} ago"
    elif state == "finished" and status.not_run:
        state = f"incomplete: {status.not_run} cell{'s' if status.not_run > 1 else ''} not run"
    elif state != "finished":
        state += "; the same command continues"
    host = "" if status.host in ("", platform.node()) else f" on {status.host}"
    process = f"process {status.process}{host}, " if status.process else ""
    verb = "predicting for" if status.state == "running" else "predictions took"
    lines = [f"{state} ({process}{verb} {duration(status.updated - status.began)})"]
    share = 100 * (status.made + status.errors) / status.images if status.images else 100
    left = f", {duration(status.left)} left" if state.startswith("running") else ""
    rate = f", {status.rate:.1f} images/s" if status.rate else ""
    reused = f", {status.reused} reused" if status.reused else ""
    errors = f", {status.errors} images failed" if status.errors else ""
    lines.append(f"{status.made} of {status.images} predictions ({share:.0f} %){errors}{reused}{rate}{left}")
    failed = f", {status.failed} failed" if status.failed else ""
    lines.append(f"{status.done + status.failed} of {status.cells} cells ended{failed}")
    lines += [f"FAILED {node_id}: {error}" for node_id, error in status.failures.items()]
    if status.failed > len(status.failures):
        lines.append(f"... and {status.failed - len(status.failures)} more")
    return lines


def _is_gone(status: Status) -> bool:
    """Return whether the run was on this machine and its process no longer exists."""
    if status.host != platform.node() or not status.process:
        return False
    try:
        os.kill(int(status.process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
