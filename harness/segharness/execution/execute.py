"""Executes a prepared plan: finds the missing shards, runs them and writes their files.

A failure costs only the cells that it concerns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from segharness.cpu_cores import cores
from segharness.errors import StoreError
from segharness.execution.executors.interface import Executor
from segharness.execution.manifest import make_manifest
from segharness.execution.monitor.cell_tracker import CellTracker, RunOutcome
from segharness.execution.monitor.log import EventLog
from segharness.execution.monitor.progress import Display, Silent
from segharness.execution.monitor.status import StatusFile
from segharness.execution.monitor.status_tracker import StatusTracker
from segharness.execution.prepare import PreparedRun
from segharness.execution.signals import interruptible
from segharness.execution.units import Job, Unit, needs_of, remaining_work
from segharness.identity import Inputs, stored_run
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import ExecutorSpec
from segharness.store import RunFolder
from segharness.store.failures import read_failures, write_failures
from segharness.store.folder import mapping_in
from segharness.suite import Plan
from segharness.suite.shared_suite import hider


def execute(prepared: PreparedRun, host: PluginHost, display: Display | None = None) -> RunOutcome:
    """Make every prediction that the selected cells still need. The caller holds the folder's `Lock`.

    Raises:
        StoreError: the folder has files that were made from other inputs, or its log folder cannot be created.
        UsageError: the executor refuses its options, or the log file cannot be written.
    """
    display = display or Silent()
    plan, settings = prepared.plan, prepared.settings
    folder = RunFolder(settings.out)
    inputs = _with_unselected(prepared, folder)
    folder.delete_partial_files()
    work = remaining_work(plan, prepared.datasets, inputs, folder, settings.fresh)
    executor = _make_executor(prepared, host, folder, work.units) if work.units else None
    log = EventLog(settings.log_file)
    if settings.fresh:  # so that no old file is left if this run is interrupted and continued
        for cell in plan.selected:
            folder.delete_cell(*cell.key)
    old_manifest = folder.read_manifest() if folder.manifest.is_file() else {}
    devices = executor.devices if executor is not None else _devices(old_manifest)
    ids = {entry.id for entry in plan.suite.models if entry.python is not None}
    environments = {id: of for id, of in mapping_in(old_manifest, "environments").items() if id in ids}
    environments |= prepared.environments
    origins = {id: of for id, of in mapping_in(old_manifest, "origins").items() if id in prepared.weights}
    for model, by_dataset in prepared.weights.items():
        if address := next((weights.origin for weights in by_dataset.values() if weights.origin is not None), None):
            origins[model] = address
    folder.write_manifest(make_manifest(plan.suite, host, inputs, prepared.protocol, devices, environments, origins))
    outcome = RunOutcome(folder, reused=work.reused, not_selected=work.not_selected)
    cells = CellTracker(plan, work.units, outcome, display)
    for line in work.damaged:
        display.say(f"made again: {line}")
    try:
        if executor is not None:
            workers = min(len(executor.devices), sum(len(unit.conditions) for unit in work.units))
            job = Job(
                suite=plan.suite,
                folder=str(folder.path.absolute()),
                plugins=host.arguments,
                inputs=inputs,
                weights=prepared.weights,
                threads=max(1, cores() // max(1, workers)),
                needs=needs_of(plan.suite, host),
                give_up_after=settings.give_up_after,
            )
            _EventLoop(executor, cells, display, log, settings.maxfail, len(plan.selected)).run(job, work.units)
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        log.close()
    _remember_failures(plan, folder, outcome)
    return outcome


def _make_executor(prepared: PreparedRun, host: PluginHost, folder: RunFolder, units: Sequence[Unit]) -> Executor:
    settings = prepared.settings
    try:
        folder.logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder.logs}: cannot be written: {error.strerror}") from error
    models = {unit.model for unit in units}
    needs = {model: need for model, need in needs_of(prepared.plan.suite, host).items() if model in models}
    options = replace(settings.options, needs=needs, logs=folder.logs)
    executor: Executor = load(host.get(settings.executor, ExecutorSpec).factory)(options)
    return executor


def _with_unselected(prepared: PreparedRun, folder: RunFolder) -> Inputs:
    """Return the inputs. For pairs of model and data set that are not selected, return those in the manifest."""
    if not folder.manifest.is_file():
        return prepared.inputs
    recorded = stored_run(folder.read_manifest(), folder.manifest).inputs
    selected = {(cell.model, cell.dataset) for cell in prepared.plan.selected}
    return prepared.inputs.merged_with(recorded, selected)


def _devices(manifest: Mapping[str, Any]) -> Sequence[str]:
    """Return the devices of a manifest; none if they are not a list of texts."""
    devices = manifest.get("devices")
    return [device for device in devices if isinstance(device, str)] if isinstance(devices, list) else []


class _EventLoop:
    """Follows an executor's events until it ends or too many cells failed. Keeps status.json and the log up to date."""

    def __init__(
        self, executor: Executor, cells: CellTracker, display: Display, log: EventLog, maxfail: int, count: int
    ) -> None:
        self._executor, self._cells, self._display, self._log = executor, cells, display, log
        self._maxfail, self._count = maxfail, count
        self._interrupted = False

    def run(self, job: Job, units: Sequence[Unit]) -> None:
        """Execute the units. A second Ctrl-C stops at once; the outcome is then marked as interrupted."""
        outcome = self._cells.outcome
        images = sum(unit.images for unit in units)
        tracker = StatusTracker(images, self._count, outcome)
        status_file = StatusFile(outcome.folder, tracker.status, hider(job.suite))
        self._log.begin({unit.index: unit for unit in units}, images, self._count)
        events = self._executor.execute(job, units)
        completed = False
        try:
            with interruptible(self._finish):
                for event in events:
                    self._cells.follow(event)
                    tracker.follow(event)
                    self._log.write(event)
                    self._display.update(tracker.status)
                    status_file.write()
                    if self._maxfail and len(outcome.failed) >= self._maxfail and not outcome.stopped:
                        outcome.stopped = f"stopped after {len(outcome.failed)} failed cells"
                    if outcome.stopped:
                        break
            outcome.interrupted = self._interrupted
            completed = True
        except KeyboardInterrupt:
            outcome.interrupted = True
        finally:
            if callable(close := getattr(events, "close", None)):
                close()
            tracker.close(completed)
            self._log.end(tracker.status.state, outcome.made)
            status_file.write(now=True)

    def _finish(self) -> None:
        """Ask the executor to finish the files in flight. The signal handler calls this."""
        self._interrupted = True
        if not callable(finish := getattr(self._executor, "finish", None)):
            raise KeyboardInterrupt
        finish()
        self._display.say("interrupted: finishing the files in flight; again stops now")


def _remember_failures(plan: Plan, folder: RunFolder, outcome: RunOutcome) -> None:
    """Store the errors of failed cells, for ``--lf`` and as reasons in results. Cells not tried keep their entry."""
    completed = not (outcome.interrupted or outcome.stopped)
    tried = {cell.key for cell in plan.selected} if completed else {*outcome.done, *outcome.failed}
    kept = {key: error for key, error in read_failures(folder.failures).items() if key not in tried}
    hide = hider(plan.suite)
    try:
        write_failures(folder.failures, {**kept, **{key: hide(error) for key, error in outcome.failed.items()}})
    except OSError as error:
        outcome.stopped = outcome.stopped or f"{folder.failures}: cannot be written: {error.strerror}"
