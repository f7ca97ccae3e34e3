"""A plan, executed: what is missing is found, run, and written; failures cost their own cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segharness.data.dataset import OpenDataset, open_dataset
from segharness.digests import digest
from segharness.errors import StoreError, UsageError
from segharness.execution.devices import cores
from segharness.execution.executors.interface import RETRIES, TIMEOUT, Executor, Options
from segharness.execution.manifest import make_manifest
from segharness.execution.monitor.cells import Ledger, RunOutcome
from segharness.execution.monitor.log import RunLog
from segharness.execution.monitor.progress import Display, Silent
from segharness.execution.monitor.status import StatusFile
from segharness.execution.monitor.status_tracker import Watch
from segharness.execution.signals import interruptible
from segharness.execution.units import Job, Unit, needs_of, remaining
from segharness.identity import Inputs, protocol_inputs
from segharness.model.load import check_framework
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import ExecutorSpec
from segharness.records import Model
from segharness.store import Place, RunFolder
from segharness.store.failures import read_failures, write_failures
from segharness.suite import Plan, Suite


@dataclass(frozen=True)
class Settings:
    """How to run a plan: nothing here changes a result.

    Attributes:
        out: the run folder.
        fresh: make every selected file again, also those that are there.
        executor: by name.
        workers, devices, retries, timeout, arguments: as in `segharness.execution.executors.interface.Options`.
        maxfail: stop after that many failed cells; 0 never.
        objects: models that are objects in this process, by id.
        log_file: gets the run's events as JSON lines.
    """

    out: Place
    fresh: bool = False
    executor: str = "local"
    workers: int | None = None
    devices: tuple[str, ...] = ()
    maxfail: int = 0
    objects: Mapping[str, Model] = field(default_factory=dict)
    retries: int = RETRIES
    timeout: float = TIMEOUT
    arguments: Mapping[str, Any] = field(default_factory=dict)
    log_file: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A plan whose data sets were opened and whose inputs were hashed: all that is known before the first cell.

    `protocol` is the id that two results must share to be comparable; `environments` is what is installed under the
    interpreters that models name.
    """

    plan: Plan
    settings: Settings
    datasets: Mapping[str, OpenDataset]
    inputs: Inputs
    protocol: str
    environments: Mapping[str, Any]


def prepare(plan: Plan, host: PluginHost, settings: Settings) -> Prepared:
    """Open the data sets of a plan and hash its inputs.

    Raises:
        UsageError: a data set's files are missing or broken, the executor is unknown, or a model's framework or weights
            cannot be had; all data sets' problems at once.
    """
    host.get(settings.executor, ExecutorSpec)
    datasets = _open_all(plan, host)
    digests = {id: opened.dataset.digest for id, opened in datasets.items()}
    selected = {cell.model for cell in plan.selected}
    environments = _environments(plan.suite, host, selected - set(settings.objects))
    inputs = Inputs.gather(plan.suite, host, digests, selected, settings.objects)
    protocol = digest(protocol_inputs(plan.suite, inputs))
    return Prepared(plan, settings, datasets, inputs, protocol, environments)


def execute(prepared: Prepared, host: PluginHost, show: Display | None = None) -> RunOutcome:
    """Make every prediction that the selected cells still need. The caller holds the folder's `Lock`.

    Raises:
        UsageError: files of another identity are in the folder.
    """
    show = show or Silent()
    plan, settings = prepared.plan, prepared.settings
    folder = RunFolder(settings.out)
    inputs = _with_unselected(prepared, folder)
    folder.sweep()
    left = remaining(plan, prepared.datasets, inputs, folder, settings.fresh)
    executor = _executor(prepared, host, folder, left.units) if left.units else None
    log = RunLog(settings.log_file)
    if settings.fresh:  # so that continuing after an interruption meets nothing old
        for cell in plan.selected:
            folder.forget(*cell.key)
    before = folder.read_manifest() if folder.manifest.is_file() else {}
    devices = executor.devices if executor is not None else before.get("devices", ())
    environments = {**before.get("environments", {}), **prepared.environments}
    folder.write_manifest(make_manifest(plan.suite, host, inputs, prepared.protocol, devices, environments))
    outcome = RunOutcome(folder, reused=left.reused)
    ledger = Ledger(plan, left.units, outcome, show)
    for line in left.damaged:
        show.say(f"made again: {line}")
    try:
        if executor is not None:
            where = str(folder.path.absolute())
            most = min(len(executor.devices), sum(len(unit.conditions) for unit in left.units))
            threads = max(1, cores() // max(1, most))
            job = Job(plan.suite, where, host.arguments, inputs, threads, needs_of(plan.suite, host))
            _Drive(executor, ledger, show, log, settings.maxfail, len(plan.selected)).run(job, left.units)
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        log.close()
    _remember(plan, folder, outcome)
    return outcome


def _executor(prepared: Prepared, host: PluginHost, folder: RunFolder, units: Sequence[Unit]) -> Executor:
    settings = prepared.settings
    try:
        folder.logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder.logs}: cannot be written: {error.strerror}") from error
    needs = needs_of(prepared.plan.suite, host)
    wanted = {unit.model for unit in units}
    options = Options(
        settings.workers,
        settings.devices,
        folder.logs,
        settings.objects,
        {model: need for model, need in needs.items() if model in wanted},
        settings.retries,
        settings.timeout,
        settings.arguments,
    )
    made: Executor = load(host.get(settings.executor, ExecutorSpec).factory)(options)
    return made


def _with_unselected(prepared: Prepared, folder: RunFolder) -> Inputs:
    """Return the inputs, where models on data sets that were not selected keep those that their files were made from."""
    if not folder.manifest.is_file():
        return prepared.inputs
    before = Inputs(**folder.read_manifest()["inputs"])
    selected = {(cell.model, cell.dataset) for cell in prepared.plan.selected}
    return prepared.inputs.keeping(before, selected)


class _Drive:
    """Follows an executor's events to the end, or until enough cells failed; keeps status.json and the log."""

    def __init__(
        self, executor: Executor, ledger: Ledger, show: Display, log: RunLog, maxfail: int, cells: int
    ) -> None:
        self._executor, self._ledger, self._show, self._log = executor, ledger, show, log
        self._maxfail, self._cells = maxfail, cells
        self._asked = False

    def run(self, job: Job, units: Sequence[Unit]) -> None:
        """Raise KeyboardInterrupt if Ctrl-C came."""
        outcome = self._ledger.outcome
        images = sum(unit.images for unit in units)
        watch = Watch(images, self._cells, outcome)
        status = StatusFile(outcome.folder, watch.status)
        self._log.begin({unit.index: unit for unit in units}, images, self._cells)
        events = self._executor.execute(job, units)
        whole = False
        try:
            with interruptible(self._finish):
                for event in events:
                    self._ledger.follow(event)
                    watch.follow(event)
                    self._log.write(event)
                    self._show.stand(watch.status)
                    status.write()
                    if self._maxfail and len(outcome.failed) >= self._maxfail and not outcome.stopped:
                        outcome.stopped = f"stopped after {len(outcome.failed)} failed cells"
                    if outcome.stopped:
                        break
            outcome.interrupted = self._asked
            whole = True
        except KeyboardInterrupt:
            outcome.interrupted = True
        finally:
            if callable(close := getattr(events, "close", None)):
                close()
            watch.close(whole)
            self._log.write({"event": "end", "state": watch.status.state, "made": outcome.made})
            status.write(now=True)

    def _finish(self) -> None:
        """Let the files in flight be finished; called from the signal handler."""
        self._asked = True
        if not callable(finish := getattr(self._executor, "finish", None)):
            raise KeyboardInterrupt
        finish()
        self._show.say("interrupted: finishing the files in flight; again stops now")


def _remember(plan: Plan, folder: RunFolder, outcome: RunOutcome) -> None:
    """Keep what failed, for ``--lf`` and as the reason in results; cells that were not tried keep what they had."""
    whole = not (outcome.interrupted or outcome.stopped)
    tried = {cell.key for cell in plan.selected} if whole else {*outcome.done, *outcome.failed}
    kept = {key: error for key, error in read_failures(folder.failures).items() if key not in tried}
    try:
        write_failures(folder.failures, {**kept, **outcome.failed})
    except OSError as error:
        outcome.stopped = outcome.stopped or f"{folder.failures}: cannot be written: {error.strerror}"


def _environments(suite: Suite, host: PluginHost, selected: Collection[str]) -> Mapping[str, Any]:
    """Return what is installed under the interpreters of the selected models; all problems at once, each once."""
    affected: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for entry in suite.models:
        if entry.id not in selected:
            continue
        try:
            environment = check_framework(entry, host)
        except UsageError as error:
            for problem in error.problems:
                affected.setdefault(problem, []).append(f"`{entry.id}`")
        else:
            if entry.python is not None:
                found[entry.python] = environment
    if affected:
        raise UsageError([f"{_models(ids)}: {problem}" for problem, ids in affected.items()])
    return found


def _models(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"model{'s' if len(ids) > 1 else ''} {', '.join(ids[:3])}{more}"


def _open_all(plan: Plan, host: PluginHost) -> dict[str, OpenDataset]:
    problems: list[str] = []
    opened: dict[str, OpenDataset] = {}
    for entry in plan.suite.datasets:
        try:
            opened[entry.id] = open_dataset(entry, host)
            if not opened[entry.id].samples:
                problems.append(f"data set `{entry.id}` has no images")
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(problems)
    return opened
