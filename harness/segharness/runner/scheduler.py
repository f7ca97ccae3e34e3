"""A plan, executed: what is missing is found, run, and written; failures cost their own cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segharness.data import OpenDataset, open_dataset
from segharness.errors import PluginError, UsageError
from segharness.identity import Inputs, digest, protocol_inputs
from segharness.plugins import PluginHost
from segharness.records import Cell, Model
from segharness.runner.devices import cores
from segharness.runner.executor import Event, Executor, Options
from segharness.runner.manifest import make_manifest
from segharness.runner.progress import Display, Silent
from segharness.runner.units import Job, Unit, remaining
from segharness.specs import ExecutorSpec, load
from segharness.store import Lock, RunFolder
from segharness.store.failures import read_failures, write_failures
from segharness.suite import Plan

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Settings:
    """How to run a plan: nothing here changes a result.

    Attributes:
        out: the run folder.
        fresh: make every selected file again, also those that are there.
        executor: by name.
        workers, devices: as in `segharness.runner.executor.Options`.
        maxfail: stop after that many failed cells; 0 never.
        objects: models that are objects in this process, by id.
    """

    out: Path
    fresh: bool = False
    executor: str = "local"
    workers: int | None = None
    devices: tuple[str, ...] = ()
    maxfail: int = 0
    objects: Mapping[str, Model] = field(default_factory=dict)


@dataclass
class RunOutcome:
    """What became of a run.

    Attributes:
        folder: where everything is.
        failed: the first error of every cell that failed.
        reused: predictions that were there already; `made` is how many were made now.
        interrupted: Ctrl-C came.
        stopped: why the run stopped before its end, if it did.
    """

    folder: RunFolder
    failed: dict[Key, str] = field(default_factory=dict)
    reused: int = 0
    made: int = 0
    interrupted: bool = False
    stopped: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A plan whose data sets were opened and whose inputs were hashed: all that is known before the first cell.

    `protocol` is the id that two results must share to be comparable.
    """

    plan: Plan
    settings: Settings
    datasets: Mapping[str, OpenDataset]
    inputs: Inputs
    protocol: str


def prepare(plan: Plan, host: PluginHost, settings: Settings) -> Prepared:
    """Open the data sets of a plan and hash its inputs.

    Raises:
        UsageError: a data set's files are missing or broken, or the executor is unknown; all data sets' problems at once.
    """
    host.get(settings.executor, ExecutorSpec)
    datasets = _open_all(plan, host)
    digests = {id: opened.dataset.digest for id, opened in datasets.items()}
    inputs = Inputs.gather(plan.suite, host, digests, settings.objects)
    return Prepared(plan, settings, datasets, inputs, digest(protocol_inputs(plan.suite, digests)))


def execute(prepared: Prepared, host: PluginHost, show: Display | None = None) -> RunOutcome:
    """Make every prediction that the selected cells still need.

    Raises:
        UsageError: files of another identity, or another run, are in the folder.
    """
    show = show or Silent()
    plan, settings, inputs = prepared.plan, prepared.settings, prepared.inputs
    folder = RunFolder(settings.out)
    with Lock(folder):
        left = remaining(plan.suite, plan.selected, prepared.datasets, inputs, folder, settings.fresh)
        options = Options(settings.workers, settings.devices, folder.logs, settings.objects)
        executor: Executor = load(host.get(settings.executor, ExecutorSpec).factory)(options)
        threads = max(1, cores() // max(1, min(len(executor.devices), len(left.units) or 1)))
        folder.write_manifest(make_manifest(plan.suite, host, inputs, prepared.protocol, executor.devices))
        outcome = RunOutcome(folder, reused=left.reused)
        for line in left.damaged:
            show.say(f"made again: {line}")
        if left.units:
            job = Job(plan.suite, str(folder.path.absolute()), host.arguments, inputs, threads)
            show.begin(sum(unit.images for unit in left.units), len(plan.selected))
            try:
                _drive(executor, job, left.units, _Ledger(plan, left.units), outcome, settings.maxfail, show)
            except KeyboardInterrupt:
                outcome.interrupted = True
        if not outcome.interrupted:
            _remember(plan, folder, outcome)
    return outcome


def _remember(plan: Plan, folder: RunFolder, outcome: RunOutcome) -> None:
    """Keep what failed, for ``--lf`` and as the reason in results; cells that were not selected keep what they had."""
    selected = {cell.key for cell in plan.selected}
    kept = {key: error for key, error in read_failures(folder.failures).items() if key not in selected}
    try:
        write_failures(folder.failures, {**kept, **outcome.failed})
    except OSError as error:
        outcome.stopped = outcome.stopped or f"{folder.failures}: cannot be written: {error.strerror}"


def _open_all(plan: Plan, host: PluginHost) -> dict[str, OpenDataset]:
    problems: list[str] = []
    opened: dict[str, OpenDataset] = {}
    for entry in plan.suite.datasets:
        try:
            opened[entry.id] = open_dataset(entry, host)
            if not opened[entry.id].samples:
                problems.append(f"data set `{entry.id}` has no images")
        except UsageError as error:
            problems += [f"data set `{entry.id}`: {problem}" for problem in error.problems]
        except Exception as error:
            raise PluginError(
                f"data set `{entry.id}`: plugin `{entry.dataset}` raised {type(error).__name__}: {error}"
            ) from error
    if problems:
        raise UsageError(problems)
    return opened


class _Ledger:
    """Which cells still wait for which units."""

    def __init__(self, plan: Plan, units: Sequence[Unit]) -> None:
        self._units = {unit.index: unit for unit in units}
        self._cells: dict[Key, Cell] = {cell.key: cell for cell in plan.selected}
        self._open: dict[Key, int] = dict.fromkeys(self._cells, 0)
        for unit in units:
            for condition in unit.conditions:
                self._open[unit.model, unit.dataset, condition] += 1

    def complete(self) -> list[Cell]:
        """Return the cells that need no unit at all."""
        return [self._cells[key] for key, count in self._open.items() if not count]

    def settle(self, unit: int, condition: str) -> tuple[Cell, bool]:
        """Count one shard of a cell as settled; return the cell and whether it was the last."""
        key = (self._units[unit].model, self._units[unit].dataset, condition)
        self._open[key] -= 1
        return self._cells[key], self._open[key] == 0

    def conditions(self, unit: int) -> Sequence[str]:
        return self._units[unit].conditions


def _drive(
    executor: Executor,
    job: Job,
    units: Sequence[Unit],
    ledger: _Ledger,
    outcome: RunOutcome,
    maxfail: int,
    show: Display,
) -> None:
    """Follow an executor's events to the end, or until enough cells failed."""
    written: dict[int, set[str]] = {unit.index: set() for unit in units}

    def settle(unit: int, condition: str, error: str | None) -> None:
        cell, last = ledger.settle(unit, condition)
        if error is not None:
            outcome.failed.setdefault(cell.key, error)
        if last:
            show.cell(cell.node_id, outcome.failed.get(cell.key))

    for cell in ledger.complete():
        show.cell(cell.node_id, None)
    events = executor.execute(job, units)
    try:
        for event in events:
            _follow(event, written, ledger, outcome, settle, show)
            if outcome.stopped:
                return
            if maxfail and len(outcome.failed) >= maxfail:
                outcome.stopped = f"stopped after {len(outcome.failed)} failed cells"
                return
    finally:
        if callable(close := getattr(events, "close", None)):
            close()


def _follow(
    event: Event, written: dict[int, set[str]], ledger: _Ledger, outcome: RunOutcome, settle: object, show: Display
) -> None:
    assert callable(settle)
    kind = event["event"]
    if kind == "progress":
        outcome.made += event["images"]
        show.advance(event["images"])
    elif kind == "shard":
        written[event["unit"]].add(event["condition"])
        settle(event["unit"], event["condition"], event["first_error"])
    elif kind == "failed":
        for condition in ledger.conditions(event["unit"]):
            if condition not in written[event["unit"]]:
                settle(event["unit"], condition, event["error"])
    elif kind == "disk_full":
        outcome.stopped = event["error"]
        for condition in ledger.conditions(event["unit"]):
            if condition not in written[event["unit"]]:
                settle(event["unit"], condition, event["error"])
    elif kind == "log":
        show.say(event["text"])
