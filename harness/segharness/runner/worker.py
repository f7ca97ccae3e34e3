"""A worker: one process with one device. Takes units as JSON lines, answers with events as JSON lines.

`Workbench` does the work and is shared with the inline executor; `main` is the process around it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from segharness.data import OpenDataset, open_dataset
from segharness.digests import digest
from segharness.errors import SegharnessError, UsageError
from segharness.plugins import PluginHost, forget_folder
from segharness.records import Model, Recalled
from segharness.runner.border import Labels
from segharness.runner.devices import device_name
from segharness.runner.image import Corruptor
from segharness.runner.model_host import check_model, is_recalled, load_model
from segharness.runner.pipeline import Calls, Pipeline, ShardTables
from segharness.runner.prompts import Prompts
from segharness.runner.recall import recall
from segharness.runner.units import Job, Unit
from segharness.store import RunFolder, write_shard

Emit = Callable[[dict[str, Any]], None]

_PROGRESS_SECONDS = 0.2

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFullError(SegharnessError):
    """Nothing more can be written; the run stops, and what is written stays."""


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
        self._folder = RunFolder(Path(job.folder))
        self._corruptor = Corruptor(host, {c.name: c for c in job.suite.conditions}, job.suite.seed)
        self._datasets: dict[str, OpenDataset] = {}
        self._prompts: dict[tuple[str, str], Prompts] = {}
        self._calls: dict[str, Calls] = {}
        self._loaded: tuple[tuple[str, str], Model | Recalled] | None = None

    def run(self, unit: Unit, emit: Emit) -> None:
        """Run a unit and write its files; emits `progress`, and one `shard` event for every file pair written.

        Raises:
            DiskFullError: a file could not be written for want of space.
            Exception: the model could not be made, or the data could not be opened.
        """
        data = self._dataset(unit.dataset)
        model = self._model(unit)
        entry = self._job.suite.model(unit.model)
        samples = data.samples[unit.shard.start : unit.shard.stop]
        conditions = [self._job.suite.condition(name) for name in unit.conditions]

        def finish(name: str, tables: ShardTables) -> None:
            inputs = self._job.inputs.of(unit.model, unit.dataset, name, unit.shard)
            files = self._folder.shard(unit.model, unit.dataset, name, unit.shard.index)
            try:
                write_shard(files, tables.predictions, tables.images, inputs, digest(inputs))
            except OSError as error:
                if error.errno in _NO_SPACE:
                    raise DiskFullError(
                        f"{self._folder.path}: no space left to write {files.predictions.name}"
                    ) from error
                raise
            first = tables.errors[0] if tables.errors else None
            emit(
                {
                    "event": "shard",
                    "unit": unit.index,
                    "condition": name,
                    "errors": len(tables.errors),
                    "first_error": first,
                }
            )

        def progress(images: int) -> None:
            emit({"event": "progress", "images": images})

        if is_recalled(model):
            recall(model, unit.model, data, samples, conditions, finish, progress)
            return
        assert isinstance(model, Model)
        kind = getattr(model, "prompt", None)
        if kind is not None and not isinstance(kind, str):
            raise UsageError(f"`prompt` of a {type(model).__name__} is {kind!r:.60}, not boxes or points")
        pipeline = Pipeline(
            model,
            unit.model,
            Labels(model.categories, data.dataset.categories) if kind is None else None,
            self._corruptor,
            data.entry.dataset,
            self._job.threads,
            entry.batch_size,
            self._calls.setdefault(unit.model, Calls(device_name(self._device))),
            self._prompt(unit.dataset, kind) if kind is not None else None,
        )
        pipeline.run(samples, conditions, finish, progress)

    def close(self) -> None:
        """Let go of the model."""
        if self._loaded is not None and callable(close := getattr(self._loaded[1], "close", None)):
            close()
        if self._loaded is not None and (local := self._job.suite.model(self._loaded[0][0]).local) is not None:
            forget_folder(local[0].parent)
        if self._loaded is not None:
            self._calls.pop(self._loaded[0][0], None)
        self._loaded = None

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

    def _model(self, unit: Unit) -> Model | Recalled:
        if unit.model in self._objects:
            check_model(self._objects[unit.model])
            return self._objects[unit.model]
        entry = self._job.suite.model(unit.model)
        key = (unit.model, unit.dataset if unit.dataset in entry.options_for else "")
        if self._loaded is None or self._loaded[0] != key:
            self.close()
            self._loaded = (key, load_model(entry, unit.dataset, self._host, self._device))
        return self._loaded[1]


def describe(error: BaseException) -> str:
    """Return an error as one line: the message alone for our own, with its kind for others'."""
    text = str(error).strip() or repr(error)
    return (
        text.splitlines()[0]
        if isinstance(error, SegharnessError)
        else f"{type(error).__name__}: {text.splitlines()[0]}"
    )


def main() -> int:
    """Serve the scheduler that started this process, until it says stop or is gone."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a model prints goes to the log, not into the protocol
    sys.stdout = sys.stderr
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a model that reads stdin, or closes it, is none of ours
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    answering = threading.Lock()

    unsaid = 0  # predictions made since the last progress event: the scheduler need not wake for each
    said = time.monotonic()

    def emit(event: dict[str, Any]) -> None:
        nonlocal unsaid, said
        with answering:
            if event["event"] == "progress":
                unsaid += event["images"]
                if time.monotonic() - said < _PROGRESS_SECONDS:
                    return
            if unsaid:
                answers.write(json.dumps({"event": "progress", "images": unsaid}) + "\n")
                unsaid, said = 0, time.monotonic()
            if event["event"] != "progress":
                answers.write(json.dumps(event) + "\n")

    messages = _messages(requests)
    opening = next(messages)
    job = Job.from_json(opening["job"])
    bench: Workbench | None = None
    try:
        host = PluginHost.load(job.plugins)
        bench = Workbench(job, host, opening["device"])
    except Exception as error:
        logging.exception("this worker could not start")
        emit({"event": "broken", "error": describe(error)})
        return 1
    emit({"event": "ready"})
    for message in messages:
        if message["op"] == "stop":
            break
        unit = Unit.from_json(message["unit"])
        try:
            bench.run(unit, emit)
        except DiskFullError as error:
            emit({"event": "disk_full", "unit": unit.index, "error": describe(error)})
            break
        except (Exception, SystemExit) as error:
            logging.exception("unit %s", unit)
            emit({"event": "failed", "unit": unit.index, "error": f"model `{unit.model}`: {describe(error)}"})
        else:
            emit({"event": "done", "unit": unit.index})
    bench.close()
    return 0


def _messages(requests: TextIO) -> Iterator[dict[str, Any]]:
    """Yield the scheduler's messages; end the process at once when the scheduler is gone."""
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in requests:
            waiting.put(json.loads(line))
        os._exit(3)

    threading.Thread(target=read, daemon=True, name="messages").start()
    while True:
        yield waiting.get()
