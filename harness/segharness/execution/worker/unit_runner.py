"""Runs units of a job on one device, in any process: loads models, opens data sets and writes files."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Protocol

import pyarrow as pa

from segharness.data.open_dataset import OpenDataset, open_dataset
from segharness.errors import LostError, SegharnessError, UsageError, coded
from segharness.execution.devices import device_name
from segharness.execution.events import (
    DiskFull,
    Message,
    ModelGivenUp,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoading,
    Progress,
    ShardWritten,
    UnitDone,
    UnitFailed,
    WorkerEvent,
    WorkerLost,
)
from segharness.execution.units import Job, Unit
from segharness.execution.worker.batch_size import BatchSize
from segharness.execution.worker.failure_watch import FailureWatch, ModelGivenUpError
from segharness.execution.worker.nothing_found import nothing_found
from segharness.execution.worker.open_unit import OpenUnit
from segharness.execution.worker.pipeline import Calls, Pipeline
from segharness.execution.worker.shard_tables import ShardTables
from segharness.execution.worker.stage_timings import StageTimings
from segharness.execution.worker.stored_predictions import store_predictions
from segharness.execution.worker.unit_stream import UnitStream
from segharness.images.corrupt import Corruptor
from segharness.model.foreign_child import is_out_of_memory, release_memory
from segharness.model.interface import has_stored_predictions, require_model
from segharness.model.labels import Labels
from segharness.model.load import load_model
from segharness.model.prompts import Prompts
from segharness.plugin.facts import facts_of
from segharness.plugin.failures import describe
from segharness.plugin.host import PluginHost
from segharness.plugin.import_file import forget_folder
from segharness.records import CLEAN, Model, StoredPredictions
from segharness.store import RunFolder, write_shard
from segharness.suite.shared_suite import hider
from segharness.suite.suite import ORIGINAL

Emit = Callable[[WorkerEvent], None]
"""Takes the events of a `UnitRunner`."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_log = logging.getLogger(__name__)


class DiskFullError(SegharnessError):
    """The disk is full. The run stops; files that were written stay."""


class Units(Protocol):
    """The source of a runner's units.

    Attributes:
        ended: no more units will come.
    """

    ended: bool

    def next(self, block: bool) -> Unit | None:
        """Return the next unit, or None.

        Without `block`, None means that there is no unit now. With `block`, None means that the model may be closed: no
        unit will come for a while or, if `ended` is true, at all.
        """
        ...


class UnitRunner:
    """Runs units of a job on one device. Keeps the last model and every opened data set.

    Args:
        job: the job.
        host: the plugins; the same as the scheduler's.
        device: ``"cpu"`` or ``"cuda:0"``, passed to models whose factory has a parameter for it.
        objects: models that are objects already, by id; the others are made from the suite's entries.
    """

    def __init__(self, job: Job, host: PluginHost, device: str, objects: Mapping[str, Model] | None = None) -> None:
        self._job, self._host, self._device = job, host, device
        self._objects = dict(objects or {})
        self._folder = RunFolder.from_text(job.folder)
        self._hide = hider(job.suite)
        self._said: set[str] = set()
        self._corruptor = Corruptor(host, {c.name: c for c in job.suite.conditions}, job.suite.seed)
        self._datasets: dict[str, OpenDataset] = {}
        self._prompts: dict[tuple[str, str], Prompts] = {}
        self._calls: dict[str, Calls] = {}
        self._batches: dict[str, BatchSize] = {}
        self._watches: dict[str, FailureWatch] = {}
        self._loaded: tuple[tuple[str, str, str], Model | StoredPredictions] | None = None
        self._finishing = threading.Event()
        self._in_progress: list[Unit] = []  # taken, and not yet done or failed
        self._next_unit: Unit | None = None  # already taken; it needs another model

    def finish(self) -> None:
        """Finish the files in flight and take no more units. May be called from another thread."""
        self._finishing.set()

    def serve(self, units: Units, emit: Emit) -> None:
        """Run units and write their files until there are no more.

        Emits `ModelLoading`, `ModelLoaded`, `ModelLoadFailed`, `ModelGivenUp`, `Message`, `Progress` and `ShardWritten`,
        and `UnitDone` or `UnitFailed` for every unit.

        Raises:
            DiskFullError: there was no space to write a file; `DiskFull` was emitted.
            LostError: this process cannot go on, but another might; `WorkerLost` was emitted.
        """
        while not (self._finishing.is_set() or (units.ended and self._next_unit is None)):
            unit, self._next_unit = self._next_unit or units.next(True), None
            if unit is None:
                self.close()
                continue
            self._in_progress = [unit]
            model: Model | StoredPredictions | None = None
            try:
                self._watch(unit.model).check()
                model = self._model(unit, emit)
                self._run(unit, model, units, emit)
                if self._next_unit is None and not (units.ended or has_stored_predictions(model)):
                    model = None
                    self.close()  # no unit will come for a while, and others may need the memory
            except DiskFullError:
                raise
            except (Exception, SystemExit) as error:
                if isinstance(error, LostError) or is_out_of_memory(error):
                    emit(WorkerLost(f"model `{unit.model}`: {describe(error)}"))
                    raise LostError(describe(error)) from error
                if isinstance(error, ModelGivenUpError):
                    emit(ModelGivenUp(unit.model, f"model `{unit.model}`: {describe(error)}"))
                elif model is None:
                    emit(ModelLoadFailed(unit.model, f"model `{unit.model}`: {describe(error)}"))
                for failed_unit in list(self._in_progress):
                    self._failed(failed_unit, error, emit)

    def close(self) -> None:
        """Close the model and free its memory."""
        if self._loaded is None:
            return
        ((name, *_), model), self._loaded = self._loaded, None
        self._calls.pop(name, None)
        self._batches.pop(name, None)
        try:
            if callable(close := getattr(model, "close", None)):
                close()
        except (Exception, SystemExit):  # noqa: BLE001  the model is not needed any more; the log has the error
            _log.exception("model %s could not be closed", name)
        if (local := self._job.suite.model(name).local_function) is not None:
            forget_folder(local[0].parent)
        del model
        release_memory()

    def _run(self, first: Unit, model: Model | StoredPredictions, units: Units, emit: Emit) -> None:
        """Run a unit and the units after it that use the same model. The first that needs another is kept for later."""
        if has_stored_predictions(model):
            self._store_predictions(first, model, emit)
            return
        assert isinstance(model, Model)
        prompt = getattr(model, "prompt", None)
        if prompt is not None and not isinstance(prompt, str):
            raise UsageError(f"`prompt` of a {type(model).__name__} is {prompt!r:.60}, not boxes or points")

        def open_unit(unit: Unit) -> OpenUnit:
            return self._open(unit, model, prompt, emit)

        def failed(unit: Unit, error: BaseException) -> None:
            self._failed(unit, error, emit)

        stream = UnitStream(first, units.next, self._model_key, open_unit, failed, self._in_progress)
        calls = self._calls.setdefault(first.model, Calls(device_name(self._device)))
        batches = self._batches.setdefault(first.model, BatchSize(self._job.suite.model(first.model).batch_size))
        pipeline = Pipeline(
            model,
            first.model,
            self._job.threads,
            batches,
            calls,
            lambda text: emit(Message(text)),
            self._watch(first.model),
        )

        def progress(images: int, failed: int, timings: StageTimings) -> None:
            waited = timings.waited + timings.stalled
            emit(Progress(images, waited + timings.predict, waited, failed))

        try:
            pipeline.run(stream.next, progress, self._finishing)
        finally:
            self._next_unit = stream.close()

    def _open(self, unit: Unit, model: Model, prompt: str | None, emit: Emit) -> OpenUnit:
        opened = self._dataset(unit.dataset)

        def ended(error: Exception | None) -> None:
            if error is None:
                self._done(unit, emit)
            elif isinstance(error, DiskFullError):
                emit(DiskFull(unit.index, describe(error)))
                raise error
            else:
                self._failed(unit, error, emit)

        labels = Labels(model.categories, opened.dataset.categories) if prompt is None else None
        predictable = None if labels is None else labels.ids[labels.known].tolist()
        return OpenUnit(
            opened.samples[unit.shard.start : unit.shard.stop],
            [self._job.suite.condition(name) for name in unit.conditions],
            opened.entry.dataset,
            self._corruptor,
            labels,
            self._prompts_of(unit.dataset, prompt) if prompt is not None else None,
            partial(self._write, unit, emit, predictable, self._facts(model)),
            ended,
            note=partial(self._say_of, unit.dataset, emit),
            unscaled=self._job.suite.model(unit.model).resolution_on(opened.entry) == ORIGINAL,
        )

    def _say_of(self, dataset: str, emit: Emit, text: str) -> None:
        """Say something of a data set, once."""
        message = f"data set `{dataset}`: {text}"
        if message not in self._said:
            self._said.add(message)
            emit(Message(message, once=True))

    def _write(
        self,
        unit: Unit,
        emit: Emit,
        predictable: Collection[int] | None,
        facts: Mapping[str, Any],
        condition: str,
        tables: ShardTables,
        timings: StageTimings,
    ) -> None:
        """Write the files of a condition of a unit."""
        inputs = self._job.inputs.of(unit.model, unit.dataset, condition, unit.shard)
        files = self._folder.shard_files(unit.model, unit.dataset, condition, unit.shard.index)
        try:
            with timings.timed("write"):
                write_shard(files, tables.predictions, self._shared(tables), inputs, predictable, facts)
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise DiskFullError(
                    coded("T17", f"{self._folder.path}: no space left to write {files.predictions.name}")
                ) from error
            raise
        first_error = tables.errors[0] if tables.errors else None
        count = len(tables.images)
        emit(ShardWritten(unit.index, condition, len(tables.errors), first_error, count, timings.to_json()))
        if condition == CLEAN.name and unit.shard.start == 0 and predictable is not None:
            self._say_if_nothing_is_found(unit, emit, tables)

    def _say_if_nothing_is_found(self, unit: Unit, emit: Emit, tables: ShardTables) -> None:
        """Say it while the run goes on: its user may rather stop it."""
        try:
            truth = self._dataset(unit.dataset).ground_truth("instances")
            text = nothing_found(tables.predictions, tables.images, truth) if truth is not None else None
        except Exception:  # noqa: BLE001  a plugin's ground truth; scoring says what is wrong with it
            _log.exception("model %s: its first images could not be looked at", unit.model)
            return
        if text is not None:
            emit(Message(f"model `{unit.model}`, data set `{unit.dataset}`: {text}"))

    def _shared(self, tables: ShardTables) -> pa.Table:
        """Return the table of images; its errors have nothing that only this machine may know."""
        if not tables.errors:
            return tables.images
        names = tables.images.schema.names
        errors = [None if error is None else self._hide(error) for error in tables.images.column("error").to_pylist()]
        return tables.images.set_column(
            names.index("error"), tables.images.schema.field("error"), [pa.array(errors, pa.string())]
        )

    def _store_predictions(self, unit: Unit, model: StoredPredictions, emit: Emit) -> None:
        """Run a unit of stored predictions."""
        opened = self._dataset(unit.dataset)
        samples = opened.samples[unit.shard.start : unit.shard.stop]

        def write(condition: str, tables: ShardTables) -> None:
            try:
                self._write(unit, emit, None, {}, condition, tables, StageTimings())
            except DiskFullError as error:
                emit(DiskFull(unit.index, describe(error)))
                raise

        conditions = [self._job.suite.condition(name) for name in unit.conditions]
        missing = store_predictions(
            model, unit.model, opened, samples, conditions, write, lambda images: emit(Progress(images))
        )
        for text in dict.fromkeys(missing.values()):
            emit(UnitFailed(unit.index, tuple(missing), f"model `{unit.model}`: {text}"))
        self._done(unit, emit, tuple(name for name in unit.conditions if name not in missing))

    def _done(self, unit: Unit, emit: Emit, conditions: tuple[str, ...] | None = None) -> None:
        self._in_progress.remove(unit)
        emit(UnitDone(unit.index, unit.conditions if conditions is None else conditions))

    def _failed(self, unit: Unit, error: BaseException, emit: Emit) -> None:
        self._in_progress.remove(unit)
        _log.error("unit %s", unit, exc_info=error)
        emit(UnitFailed(unit.index, unit.conditions, f"model `{unit.model}`: {describe(error)}"))

    def _dataset(self, id: str) -> OpenDataset:
        if id not in self._datasets:
            opened = open_dataset(self._job.suite.dataset(id), self._host)
            if opened.dataset.digest != self._job.inputs.datasets[id]["digest"]:
                raise UsageError(f"data set `{id}` changed while the run was going on")
            self._datasets[id] = opened
        return self._datasets[id]

    def _prompts_of(self, dataset: str, kind: str) -> Prompts:
        if (dataset, kind) not in self._prompts:
            self._prompts[dataset, kind] = Prompts(self._dataset(dataset), kind)
        return self._prompts[dataset, kind]

    def _watch(self, model: str) -> FailureWatch:
        return self._watches.setdefault(model, FailureWatch(self._job.give_up_after))

    def _facts(self, model: Model) -> Mapping[str, Any]:
        """Return what a loaded model says of itself, without what only this machine may know; nothing if it raises."""
        try:
            facts = facts_of(dict(getattr(model, "facts", None) or {}))
        except Exception:  # noqa: BLE001  a plugin's attribute; predictions do not depend on it
            _log.exception("the facts of a %s cannot be read", type(model).__name__)
            return {}
        return {key: self._hide(value) if isinstance(value, str) else value for key, value in facts.items()}

    def _model_key(self, unit: Unit) -> tuple[str, str, str]:
        """Return a key of the model that a unit needs: its options and its resolution may depend on the data set."""
        entry, dataset = self._job.suite.model(unit.model), self._job.suite.dataset(unit.dataset)
        options_of = unit.dataset if unit.dataset in entry.options_for else ""
        return (unit.model, options_of, entry.resolution_on(dataset))

    def _model(self, unit: Unit, emit: Emit) -> Model | StoredPredictions:
        if unit.model in self._objects:
            require_model(self._objects[unit.model])
            return self._objects[unit.model]
        key = self._model_key(unit)
        if self._loaded is None or self._loaded[0] != key:
            self.close()
            emit(ModelLoading(unit.model))
            began = time.monotonic()
            entry = self._job.suite.model(unit.model)
            weights = self._job.weights[unit.model][unit.dataset]
            self._loaded = (
                key,
                load_model(entry, self._job.suite.dataset(unit.dataset), self._host, self._device, weights),
            )
            emit(ModelLoaded(unit.model, round(time.monotonic() - began, 3)))
        return self._loaded[1]
