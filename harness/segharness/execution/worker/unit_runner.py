"""What a worker does with units, whatever process it is in."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from segharness.data.dataset import OpenDataset, open_dataset
from segharness.digests import digest
from segharness.errors import LostError, SegharnessError, UsageError
from segharness.execution.devices import device_name
from segharness.execution.units import Job, Unit
from segharness.execution.worker.batch_size import BatchSize, is_out_of_memory
from segharness.execution.worker.open_unit import Work
from segharness.execution.worker.pipeline import Calls, Pipeline, free_memory
from segharness.execution.worker.shard_tables import ShardTables
from segharness.execution.worker.stored_predictions import recall
from segharness.execution.worker.timings import Stages
from segharness.images.corrupt import Corruptor
from segharness.model.labels import Labels
from segharness.model.load import check_model, is_recalled, load_model
from segharness.model.prompts import Prompts
from segharness.plugin.host import PluginHost, forget_folder
from segharness.records import Model, Recalled
from segharness.store import RunFolder, write_shard

Emit = Callable[[dict[str, Any]], None]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_log = logging.getLogger(__name__)


class DiskFullError(SegharnessError):
    """Nothing more can be written; the run stops, and what is written stays."""


class Units(Protocol):
    """Where a workbench's units come from.

    `next` returns one; without `block` None if there is none now, with it None if the model may be let go of: none will
    come for a while or, once `ended` is true, ever.
    """

    ended: bool

    def next(self, block: bool) -> Unit | None: ...


class Workbench:
    """Runs units of a job on one device; keeps the last model and every opened data set.

    Args:
        job: what all workers share.
        host: the plugins; the same as the scheduler's.
        device: ``"cpu"`` or ``"cuda:0"``, handed to models that ask.
        objects: models that are there already, by id, instead of being made from the suite's entries.
    """

    def __init__(self, job: Job, host: PluginHost, device: str, objects: Mapping[str, Model] | None = None) -> None:
        self._job, self._host, self._device = job, host, device
        self._objects = dict(objects or {})
        self._folder = RunFolder.at(job.folder)
        self._corruptor = Corruptor(host, {c.name: c for c in job.suite.conditions}, job.suite.seed)
        self._datasets: dict[str, OpenDataset] = {}
        self._prompts: dict[tuple[str, str], Prompts] = {}
        self._calls: dict[str, Calls] = {}
        self._batches: dict[str, BatchSize] = {}
        self._loaded: tuple[tuple[str, str], Model | Recalled] | None = None
        self._finishing = threading.Event()
        self._taken: list[Unit] = []  # and not yet done or failed
        self._held: Unit | None = None  # the next one, which needs another model

    def finish(self) -> None:
        """Finish the files in flight and take no more; may be called from another thread."""
        self._finishing.set()

    def serve(self, units: Units, emit: Emit) -> None:
        """Run units until there are no more, and write their files.

        Emits `loading`, `loaded`, `progress` and `shard`, and `done` or `failed` for every unit.

        Raises:
            DiskFullError: a file could not be written for want of space; `disk_full` was emitted.
            LostError: this process cannot go on, but another may; `lost` was emitted.
        """
        while not (self._finishing.is_set() or (units.ended and self._held is None)):
            unit, self._held = self._held or units.next(True), None
            if unit is None:
                self.close()
                continue
            self._taken = [unit]
            model: Model | Recalled | None = None
            try:
                model = self._model(unit, emit)
                self._streak(unit, model, units, emit)
                if self._held is None and not (units.ended or is_recalled(model)):
                    model = None
                    self.close()  # nothing comes for a while: others may need the memory
            except DiskFullError:
                raise
            except (Exception, SystemExit) as error:
                if isinstance(error, LostError) or is_out_of_memory(error):
                    emit({"event": "lost", "error": f"model `{unit.model}`: {describe(error)}"})
                    raise LostError(describe(error)) from error
                if model is None:
                    what = f"model `{unit.model}`: {describe(error)}"
                    emit({"event": "unloadable", "model": unit.model, "error": what})
                for taken in list(self._taken):
                    self._failed(taken, error, emit)

    def close(self) -> None:
        """Let go of the model."""
        if self._loaded is None:
            return
        ((name, _), model), self._loaded = self._loaded, None
        self._calls.pop(name, None)
        self._batches.pop(name, None)
        try:
            if callable(close := getattr(model, "close", None)):
                close()
        except (Exception, SystemExit):  # noqa: BLE001  it is not needed any more; what it raised is in the log
            _log.exception("model %s could not be closed", name)
        if (local := self._job.suite.model(name).local) is not None:
            forget_folder(local[0].parent)
        del model
        free_memory()

    def _streak(self, first: Unit, model: Model | Recalled, units: Units, emit: Emit) -> None:
        """Run a unit and those that follow with the same model; the one that needs another is held."""
        if is_recalled(model):
            self._recall(first, model, emit)
            return
        assert isinstance(model, Model)
        kind = getattr(model, "prompt", None)
        if kind is not None and not isinstance(kind, str):
            raise UsageError(f"`prompt` of a {type(model).__name__} is {kind!r:.60}, not boxes or points")

        def open(unit: Unit) -> Work:
            return self._work(unit, model, kind, emit)

        def failed(unit: Unit, error: BaseException) -> None:
            self._failed(unit, error, emit)

        streak = _Streak(first, units, self._key, open, failed, self._taken)
        calls = self._calls.setdefault(first.model, Calls(device_name(self._device)))
        batches = self._batches.setdefault(first.model, BatchSize(self._job.suite.model(first.model).batch_size))
        pipeline = Pipeline(
            model, first.model, self._job.threads, batches, calls, lambda text: emit({"event": "log", "text": text})
        )

        def progress(images: int, stages: Stages) -> None:
            waited = stages.waited + stages.stalled
            emit({"event": "progress", "images": images, "waited": waited, "seconds": waited + stages.predict})

        try:
            pipeline.run(streak.next, progress, self._finishing)
        finally:
            self._held = streak.close()

    def _work(self, unit: Unit, model: Model, kind: str | None, emit: Emit) -> Work:
        """Open a unit."""
        data = self._dataset(unit.dataset)

        def ended(error: Exception | None) -> None:
            if error is None:
                self._done(unit, emit)
            elif isinstance(error, DiskFullError):
                emit({"event": "disk_full", "unit": unit.index, "error": describe(error)})
                raise error
            else:
                self._failed(unit, error, emit)

        return Work(
            data.samples[unit.shard.start : unit.shard.stop],
            [self._job.suite.condition(name) for name in unit.conditions],
            data.entry.dataset,
            self._corruptor,
            Labels(model.categories, data.dataset.categories) if kind is None else None,
            self._prompt(unit.dataset, kind) if kind is not None else None,
            partial(self._write, unit, emit),
            ended,
        )

    def _write(self, unit: Unit, emit: Emit, name: str, tables: ShardTables, stages: Stages) -> None:
        """Write one condition of a unit."""
        inputs = self._job.inputs.of(unit.model, unit.dataset, name, unit.shard)
        files = self._folder.shard(unit.model, unit.dataset, name, unit.shard.index)
        try:
            with stages.timed("write"):
                write_shard(files, tables.predictions, tables.images, inputs, digest(inputs))
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise DiskFullError(f"{self._folder.path}: no space left to write {files.predictions.name}") from error
            raise
        event = {"event": "shard", "unit": unit.index, "condition": name, "errors": len(tables.errors)}
        first = tables.errors[0] if tables.errors else None
        emit({**event, "first_error": first, "images": len(tables.images), "seconds": stages.to_json()})

    def _recall(self, unit: Unit, model: Recalled, emit: Emit) -> None:
        """Store what was predicted elsewhere."""
        data = self._dataset(unit.dataset)
        samples = data.samples[unit.shard.start : unit.shard.stop]

        def finish(name: str, tables: ShardTables) -> None:
            try:
                self._write(unit, emit, name, tables, Stages())
            except DiskFullError as error:
                emit({"event": "disk_full", "unit": unit.index, "error": describe(error)})
                raise

        def progress(images: int) -> None:
            emit({"event": "progress", "images": images})

        conditions = [self._job.suite.condition(name) for name in unit.conditions]
        recall(model, unit.model, data, samples, conditions, finish, progress)
        self._done(unit, emit)

    def _done(self, unit: Unit, emit: Emit) -> None:
        self._taken.remove(unit)
        emit({"event": "done", "unit": unit.index, "conditions": unit.conditions})

    def _failed(self, unit: Unit, error: BaseException, emit: Emit) -> None:
        self._taken.remove(unit)
        _log.error("unit %s", unit, exc_info=error)
        what = f"model `{unit.model}`: {describe(error)}"
        emit({"event": "failed", "unit": unit.index, "conditions": unit.conditions, "error": what})

    def _dataset(self, id: str) -> OpenDataset:
        if id not in self._datasets:
            opened = open_dataset(self._job.suite.dataset(id), self._host)
            if opened.dataset.digest != self._job.inputs.datasets[id]["digest"]:
                raise UsageError(f"data set `{id}` changed while the run was going on")
            self._datasets[id] = opened
        return self._datasets[id]

    def _prompt(self, id: str, kind: str) -> Prompts:
        if (id, kind) not in self._prompts:
            self._prompts[id, kind] = Prompts(self._dataset(id), kind)
        return self._prompts[id, kind]

    def _key(self, unit: Unit) -> tuple[str, str]:
        """Return what units must share to share a model: its options may depend on the data set."""
        entry = self._job.suite.model(unit.model)
        return (unit.model, unit.dataset if unit.dataset in entry.options_for else "")

    def _model(self, unit: Unit, emit: Emit) -> Model | Recalled:
        if unit.model in self._objects:
            check_model(self._objects[unit.model])
            return self._objects[unit.model]
        key = self._key(unit)
        if self._loaded is None or self._loaded[0] != key:
            self.close()
            emit({"event": "loading", "model": unit.model})
            began = time.monotonic()
            entry = self._job.suite.model(unit.model)
            weights = self._job.inputs.models[unit.model][unit.dataset]["weights"]
            self._loaded = (key, load_model(entry, unit.dataset, self._host, self._device, weights))
            emit({"event": "loaded", "model": unit.model, "seconds": round(time.monotonic() - began, 3)})
        return self._loaded[1]


class _Streak:
    """Units of one model, opened by a thread of their own while the model works on earlier ones."""

    def __init__(
        self,
        first: Unit,
        units: Units,
        key: Callable[[Unit], Any],
        open: Callable[[Unit], Work],
        failed: Callable[[Unit, BaseException], None],
        taken: list[Unit],
    ) -> None:
        self._held: Unit | None = first
        self._other: Unit | None = None
        self._units, self._key, self._wanted = units, key, key(first)
        self._open, self._failed, self._taken = open, failed, taken
        self._opener = ThreadPoolExecutor(1, "open")
        self._opening: Future[Work] | None = None

    def close(self) -> Unit | None:
        """Return the unit that was taken and needs another model."""
        self._opener.shutdown(wait=True)
        return self._other

    def next(self, block: bool) -> Work | None:
        """Return the next unit of this model, opened; see `segharness.execution.worker.prefetch.NextWork`."""
        while True:
            if self._held is None and self._other is None:
                found = self._units.next(block)
                if found is not None and self._key(found) != self._wanted:
                    self._other = found
                elif found is not None:
                    self._held = found
                    self._taken.append(found)
            if self._held is None:
                return None
            if self._opening is None:
                self._opening = self._opener.submit(self._open, self._held)
            if not block and not self._opening.done():
                return None
            unit, opening = self._held, self._opening
            self._held = self._opening = None
            try:
                return opening.result()
            except (Exception, SystemExit) as error:  # noqa: BLE001  told of the unit, whose cells it costs
                self._failed(unit, error)


def describe(error: BaseException) -> str:
    """Return an error as one line: the message alone for our own, with its kind for others'."""
    text = str(error).strip() or repr(error)
    return (
        text.splitlines()[0]
        if isinstance(error, SegharnessError)
        else f"{type(error).__name__}: {text.splitlines()[0]}"
    )
