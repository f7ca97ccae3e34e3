"""Tracks which cells are done or failed, from an executor's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from segharness.execution.events import DiskFull, Message, Progress, ProgressUndone, RunEvent, ShardWritten, UnitFailed
from segharness.execution.monitor.progress import Display
from segharness.execution.units import Unit
from segharness.records import CellKey
from segharness.store import RunFolder
from segharness.suite import Plan


@dataclass
class RunOutcome:
    """The outcome of a run.

    Attributes:
        folder: the run folder.
        done: the cells that are complete without errors.
        failed: the first error of every failed cell.
        reused: how many predictions existed before.
        made: how many predictions this run wrote; images that failed are none.
        errors: how many images failed.
        attempted: how many images models got so far, also of files that are not written yet, or never were.
        interrupted: Ctrl-C was pressed.
        stopped: why the run stopped early; None if it did not.
        scoring: the problems that occurred while the predictions were scored.
        notes: what the user should know and that costs no number.
        not_selected: how many cells of the suite were not selected and are not complete.
    """

    folder: RunFolder
    done: set[CellKey] = field(default_factory=set)
    failed: dict[CellKey, str] = field(default_factory=dict)
    reused: int = 0
    made: int = 0
    errors: int = 0
    attempted: int = 0
    interrupted: bool = False
    stopped: str | None = None
    scoring: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_selected: int = 0


class CellTracker:
    """Tracks the units that each cell waits for. Updates the display and the outcome when a cell is settled.

    An event may come twice: a unit that is tried again writes some of its files a second time. It counts once.
    """

    def __init__(self, plan: Plan, units: Sequence[Unit], outcome: RunOutcome, display: Display) -> None:
        self.outcome, self._display = outcome, display
        self._said: set[str] = set()
        self._units = {unit.index: unit for unit in units}
        self._cells = {cell.key: cell for cell in plan.selected}
        self._reported: set[str] = set()
        self._waiting: dict[CellKey, set[int]] = {key: set() for key in self._cells}
        for unit in units:
            for condition in unit.conditions:
                self._waiting[unit.model, unit.dataset, condition].add(unit.index)
        if units:
            display.begin(sum(unit.images for unit in units), len(self._cells))
        for key, waiting in self._waiting.items():
            if not waiting:
                self._close(key)

    def follow(self, event: RunEvent) -> None:
        """Update the outcome and the display with an event of the executor."""
        match event:
            case Progress():
                self.outcome.attempted += event.images
                self._display.advance(event.images)
            case ProgressUndone():
                self.outcome.attempted -= event.images
                self._display.advance(-event.images)
            case ShardWritten():
                unit = self._units[event.unit]
                self._settle((unit.model, unit.dataset, event.condition), unit, event)
            case UnitFailed():
                self._give_up(self._units[event.unit], event.conditions, event.error)
            case DiskFull():
                self.outcome.stopped = event.error
                unit = self._units[event.unit]
                self._give_up(unit, unit.conditions, event.error)
            case Message(once=True) if event.text in self._said:
                pass  # another worker said it
            case Message():
                if event.once:
                    self._said.add(event.text)
                self._display.say(event.text)

    def _settle(self, key: CellKey, unit: Unit, event: ShardWritten) -> None:
        if unit.index not in self._waiting[key]:
            return
        self._waiting[key].remove(unit.index)
        self.outcome.made += event.images - event.errors
        self.outcome.errors += event.errors
        if event.first_error is not None:
            self.outcome.failed.setdefault(key, event.first_error)
        if not self._waiting[key]:
            self._close(key)

    def _close(self, key: CellKey) -> None:
        error = self.outcome.failed.get(key)
        if error is None:
            self.outcome.done.add(key)
        self._display.cell_settled(self._cells[key].node_id, error)

    def _give_up(self, unit: Unit, conditions: Sequence[str], error: str) -> None:
        """Fail the cells of these conditions that the unit did not write. The display shows the error once."""
        keys = [(unit.model, unit.dataset, condition) for condition in conditions]
        keys = [key for key in keys if unit.index in self._waiting[key]]
        for key in keys:
            self._waiting[key].remove(unit.index)
            self.outcome.failed.setdefault(key, error)
        closed = [key for key in keys if not self._waiting[key]]
        self._display.cells_failed(
            [self._cells[key].node_id for key in closed], None if error in self._reported else error
        )
        self._reported.add(error)
