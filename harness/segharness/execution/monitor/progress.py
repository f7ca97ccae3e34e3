"""What a person sees while a run goes on: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from segharness.execution.monitor.status import Status
from segharness.execution.monitor.status_text import duration, workers_table


class Display(Protocol):
    """Shows the state of a run."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def begin(self, images: int, cells: int) -> None: ...
    def advance(self, images: int) -> None: ...
    def cell(self, node_id: str, error: str | None) -> None: ...
    def gave_up(self, node_ids: Sequence[str], error: str | None) -> None:
        """Cells were given up together; `error` is None where the same was told before."""

    def update(self, status: Status) -> None: ...
    def say(self, text: str) -> None: ...


class Silent:
    """Shows nothing; for callers from Python."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None: ...
    def begin(self, images: int, cells: int) -> None: ...
    def advance(self, images: int) -> None: ...
    def cell(self, node_id: str, error: str | None) -> None: ...
    def gave_up(self, node_ids: Sequence[str], error: str | None) -> None:
        """Cells were given up together; `error` is None where the same was told before."""

    def update(self, status: Status) -> None: ...
    def say(self, text: str) -> None: ...


class Bar(Silent):
    """A live bar: images, cells, images/s, time left; and under it what each worker does."""

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
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=4, transient=True)

    def __enter__(self) -> Bar:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, status: Status) -> None:
        self._status = status
        self._progress.update(self._task, left=duration(status.left))

    def _picture(self) -> RenderableType:
        if self._status is None or not self._status.workers:
            return self._progress
        return Group(self._progress, workers_table(self._status))

    def begin(self, images: int, cells: int) -> None:
        self._cells, self._began = cells, time.monotonic()
        self._progress.update(self._task, total=images, description=self._description())

    def advance(self, images: int) -> None:
        self._images += images
        rate = self._images / max(1e-9, time.monotonic() - self._began)
        self._progress.update(self._task, advance=images, rate=f"{rate:.1f}/s")

    def cell(self, node_id: str, error: str | None) -> None:
        self._done += 1
        self._failed += error is not None
        if error is not None:
            self.say(f"FAILED {node_id}: {error}")
        elif self._verbosity > 0:
            self.say(f"PASSED {node_id}")
        self._progress.update(self._task, description=self._description())

    def gave_up(self, node_ids: Sequence[str], error: str | None) -> None:
        self._done += len(node_ids)
        self._failed += len(node_ids)
        if error is not None:
            self.say(_failed(node_ids, error))
        self._progress.update(self._task, description=self._description())

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _description(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done}/{self._cells} cells{failed}"


class Lines(Silent):
    """A line now and then, for logs."""

    EVERY = 10.0

    def __init__(self, console: Console, verbosity: int) -> None:
        self._console, self._verbosity = console, verbosity
        self._total = self._images = self._cells = self._done = 0
        self._left: float | None = None
        self._began = self._said = time.monotonic()

    def begin(self, images: int, cells: int) -> None:
        self._total, self._cells = images, cells
        self._began = self._said = time.monotonic()

    def advance(self, images: int) -> None:
        self._images += images
        now = time.monotonic()
        if now - self._said >= self.EVERY and self._verbosity >= 0:
            self._said = now
            rate = self._images / (now - self._began)
            self.say(
                f"{self._images}/{self._total} images, {self._done}/{self._cells} cells, "
                f"{rate:.1f} images/s, {duration(self._left)} left"
            )

    def update(self, status: Status) -> None:
        self._left = status.left

    def cell(self, node_id: str, error: str | None) -> None:
        self._done += 1
        if error is not None:
            self.say(f"FAILED {node_id}: {error}")
        elif self._verbosity > 0:
            self.say(f"PASSED {node_id}")

    def gave_up(self, node_ids: Sequence[str], error: str | None) -> None:
        self._done += len(node_ids)
        if error is not None:
            self.say(_failed(node_ids, error))

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _failed(node_ids: Sequence[str], error: str) -> str:
    """Return one line for all cells that one error cost."""
    more = f" and {len(node_ids) - 1} more" if len(node_ids) > 1 else ""
    return f"FAILED {node_ids[0]}{more}: {error}" if node_ids else error


def display(console: Console, verbosity: int) -> Display:
    """Return the bar on a terminal, lines elsewhere."""
    return Bar(console, verbosity) if console.is_terminal and verbosity >= 0 else Lines(console, verbosity)
