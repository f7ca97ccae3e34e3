"""Displays the progress of a run: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from segharness.escaping import guarded
from segharness.execution.monitor.status import Status
from segharness.execution.monitor.status_text import duration, workers_table


class Display(Protocol):
    """Shows the state of a run."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def begin(self, images: int, cells: int) -> None:
        """Start the display.

        Args:
            images: how many predictions the run makes.
            cells: how many cells are selected.
        """

    def advance(self, images: int) -> None:
        """Count predictions that were made; a negative number takes back lost ones."""

    def cell_settled(self, node_id: str, error: str | None) -> None:
        """Count a settled cell; `error` is None if the cell has no errors."""

    def cells_failed(self, node_ids: Sequence[str], error: str | None) -> None:
        """Count cells that failed together; `error` is None if the same error was shown before."""

    def update(self, status: Status) -> None:
        """Show the status of the run."""

    def say(self, text: str) -> None:
        """Print a line of text."""


class Silent:
    """A `Display` that shows nothing; for callers from Python."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begin(self, images: int, cells: int) -> None:
        """Do nothing."""

    def advance(self, images: int) -> None:
        """Do nothing."""

    def cell_settled(self, node_id: str, error: str | None) -> None:
        """Do nothing."""

    def cells_failed(self, node_ids: Sequence[str], error: str | None) -> None:
        """Do nothing."""

    def update(self, status: Status) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


class Bar(Silent):
    """A live bar with images, cells, images/s and time left, above a table of the workers."""

    def __init__(self, console: Console, verbosity: int) -> None:
        self._console, self._verbosity = console, verbosity
        self._cells = self._done = self._failed = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("images"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("eta {task.fields[left]}"),
            console=console,
        )
        self._began = time.monotonic()
        self._images = 0
        self._status: Status | None = None
        self._task = self._progress.add_task("running", total=None, rate="", left="-")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> Bar:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, status: Status) -> None:
        """Show the time left and the table of workers."""
        self._status = status
        self._progress.update(self._task, left=duration(status.left))

    def _render(self) -> RenderableType:
        if self._status is None or not self._status.workers:
            return self._progress
        return Group(self._progress, workers_table(self._status))

    def begin(self, images: int, cells: int) -> None:
        """Set the bar's totals."""
        self._cells, self._began = cells, time.monotonic()
        self._progress.update(self._task, total=images, description=self._description())

    def advance(self, images: int) -> None:
        """Move the bar by so many predictions."""
        self._images += images
        rate = self._images / max(1e-9, time.monotonic() - self._began)
        self._progress.update(self._task, advance=images, rate=f"{rate:.1f}/s")

    def cell_settled(self, node_id: str, error: str | None) -> None:
        """Count a settled cell, and print a line if it failed or if the output is verbose."""
        self._done += 1
        self._failed += error is not None
        if error is not None:
            self.say(f"FAILED {node_id}: {error}")
        elif self._verbosity > 0:
            self.say(f"PASSED {node_id}")
        self._progress.update(self._task, description=self._description())

    def cells_failed(self, node_ids: Sequence[str], error: str | None) -> None:
        """Count failed cells, and print the error if it is new."""
        self._done += len(node_ids)
        self._failed += len(node_ids)
        if error is not None:
            self.say(_failed(node_ids, error))
        self._progress.update(self._task, description=self._description())

    def say(self, text: str) -> None:
        """Print a line of text above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _description(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done}/{self._cells} cells{failed}"


class Lines(Silent):
    """Prints a line from time to time, for logs."""

    INTERVAL = 10.0
    """Seconds between two lines about progress."""

    FIRST = 2.0
    """Seconds until the first of them."""

    def __init__(self, console: Console, verbosity: int) -> None:
        self._console, self._verbosity = console, verbosity
        self._total = self._images = self._cells = self._done = 0
        self._left: float | None = None
        self._began = self._last_line = time.monotonic()

    def begin(self, images: int, cells: int) -> None:
        """Set the totals and start the clock."""
        self._total, self._cells = images, cells
        self._began = time.monotonic()
        self._last_line = self._began - self.INTERVAL + self.FIRST

    def advance(self, images: int) -> None:
        """Count predictions, and print a line if the last one is `INTERVAL` seconds old."""
        self._images += images
        now = time.monotonic()
        if now - self._last_line >= self.INTERVAL and self._verbosity >= 0:
            self._last_line = now
            rate = self._images / (now - self._began)
            self.say(
                f"{self._images}/{self._total} images, {self._done}/{self._cells} cells, "
                f"{rate:.1f} images/s, {duration(self._left)} left"
            )

    def update(self, status: Status) -> None:
        """Keep the time left for the next line."""
        self._left = status.left

    def cell_settled(self, node_id: str, error: str | None) -> None:
        """Count a settled cell, and print a line if it failed or if the output is verbose."""
        self._done += 1
        if error is not None:
            self.say(f"FAILED {node_id}: {error}")
        elif self._verbosity > 0:
            self.say(f"PASSED {node_id}")

    def cells_failed(self, node_ids: Sequence[str], error: str | None) -> None:
        """Count failed cells, and print the error if it is new."""
        self._done += len(node_ids)
        if error is not None:
            self.say(_failed(node_ids, error))

    def say(self, text: str) -> None:
        """Print a line of text."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _failed(node_ids: Sequence[str], error: str) -> str:
    """Return a line for all cells that failed with the same error."""
    more = f" and {len(node_ids) - 1} more" if len(node_ids) > 1 else ""
    return f"FAILED {node_ids[0]}{more}: {error}" if node_ids else error


def display_in_python(progress: bool | None) -> Display:
    """Return the display of a run that was started from Python; it shows on standard error.

    Args:
        progress: whether to show one; None to show it on a terminal and in a notebook.
    """
    console = guarded(Console(stderr=True))
    if progress is False or (progress is None and not (console.is_terminal or console.is_jupyter)):
        return Silent()
    if console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None:
        return Bar(console, 0)  # rich draws it with widgets
    if console.is_jupyter:
        return Lines(guarded(Console(stderr=True, force_jupyter=False)), 0)
    return display(console, 0)


def display(console: Console, verbosity: int) -> Display:
    """Return a `Bar` on a terminal and `Lines` elsewhere. With a negative `verbosity` it is always `Lines`."""
    return Bar(console, verbosity) if console.is_terminal and verbosity >= 0 else Lines(console, verbosity)
