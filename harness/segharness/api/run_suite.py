"""From Python: ``segharness.run(suite)`` as on the command line, and ``segharness.evaluate(model, suite)``."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segharness.api.whole_run import FinishedRun, finish_run, prepare_run
from segharness.errors import StoreError, UsageError
from segharness.execution import (
    DEFAULT_GIVE_UP_AFTER,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    ExecutorOptions,
    RunSettings,
)
from segharness.execution.monitor.progress import display_in_python
from segharness.model.interface import require_model
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.protocols import check_sealed, find_protocol, seal_of_run
from segharness.records import Model
from segharness.score import (
    DEFAULT_RESAMPLES,
    ScoreOptions,
)
from segharness.store import StorePath, store_path
from segharness.suite import ModelEntry, Overrides, StoredReference, Suite, Variables, load_suite, make_plan
from segharness.suite.find_suites import suite_file
from segharness.suite.schema import ID
from segharness.suite.select import Selection
from segharness.suite.suite import ORIGINAL, Group

if TYPE_CHECKING:
    import pyarrow as pa


def run(
    suite: str | os.PathLike[str] | None = None,
    *,
    protocol: str | None = None,
    out: str | os.PathLike[str] | None = None,
    variables: Mapping[str, str] | None = None,
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    references: Sequence[str] = (),
    limit: int | None = None,
    k: str = "",
    m: str = "",
    fresh: bool = False,
    executor: str = "local",
    workers: int | None = None,
    devices: Sequence[str] = (),
    retries: int = DEFAULT_RETRIES,
    timeout: float = DEFAULT_TIMEOUT,
    give_up_after: int = DEFAULT_GIVE_UP_AFTER,
    executor_arguments: Mapping[str, Any] | None = None,
    log_file: str | os.PathLike[str] | None = None,
    plugins: Sequence[str] = (),
    engine: str | None = None,
    bootstrap: int = DEFAULT_RESAMPLES,
    progress: bool | None = None,
) -> pa.Table:
    """Run a suite and return its results. Cells that are already in the run folder are not run again.

    Args:
        suite: path of the suite file, or the name of a suite that `segharness suites` lists; None with a protocol.
        protocol: a named protocol in place of a suite, as ``--protocol``; `models` are then needed.
        out: the run folder, or a URL (``s3://...``); ``runs/<name of the suite>`` if None.
        variables: values of ``${NAME}`` in the suite; they precede those of the environment.
        models, datasets, references: replace those of the suite, as ``--model``, ``--dataset`` and ``--reference`` do.
        limit: only the first images of every data set, as with ``--limit``.
        k, m: select cells, as ``-k`` (words of node ids) and ``-m`` (tags) do.
        fresh: whether to make every selected file again, even if it exists.
        executor: name of the executor.
        workers: number of workers; None for one per device or, without accelerators, one per core.
        devices: such as ``["cuda:0", "cuda:1"]``; empty for those that the machine has.
        retries: how often a unit is tried again after its worker died.
        timeout: seconds without an event after which a worker is killed.
        give_up_after: a model that fails on so many images and answers none is given up; 0 for never.
        executor_arguments: the executor's own, such as ``{"address": "auto"}`` for `ray`.
        log_file: a file to which the run's events are appended, as JSON lines.
        plugins: names to load or keep out, as ``-p``.
        engine: implementation of the metrics, such as ``"pycocotools"``; None for the default of each evaluation.
        bootstrap: number of resamples for intervals; 0 for no intervals.
        progress: whether to show progress and failures on standard error; None to show them on a terminal and in a
            notebook.

    Returns:
        The results table (see docs/results.md), with the manifest in the metadata of its schema. Cells that failed have
        null values, with the reason.

    Raises:
        UsageError: any mistake that is found before the first cell runs.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     suite = pathlib.Path(folder, "squares.yaml")
        ...     text = "models: [sample/finder], datasets: [sample/squares], conditions: [clean]"
        ...     _ = suite.write_text(f"{{segharness: 1, {text}}}")
        ...     samples = ["segharness.testing.sample"]
        ...     results = run(suite, out=folder, executor="inline", bootstrap=0, plugins=samples)
        >>> sorted(row["value"] for row in results.to_pylist() if row["metric"] == "AP" and row["category"] is None)
        [1.0, 1.0]
    """
    if (suite is None) == (protocol is None):
        raise UsageError("run() takes either a suite or protocol=NAME")
    named = None
    if suite is not None:
        host = load_host(Path(suite).parent, plugins)
        path, shown = suite_file(suite, host)
        overrides = Overrides(models, datasets, references, limit)
    else:
        named = find_protocol(protocol or "", PluginHost.load(PluginArguments(tuple(plugins))))
        host = load_host(named.folder, plugins)
        if datasets or references or limit is not None:
            raise UsageError(f"the protocol `{named.name}` fixes data sets, reference and limit")
        path, shown, overrides = named.suite, named.name, named.overrides(models)
    loaded = load_suite(path, host, shown=shown, variables=Variables.of_process(variables), overrides=overrides)
    plan = make_plan(loaded.suite, host, Selection(keyword=k, tags=m))
    options = ExecutorOptions(
        workers=workers,
        devices=tuple(devices),
        retries=retries,
        timeout=timeout,
        arguments=executor_arguments or {},
    )
    settings = RunSettings(
        run_folder(loaded.suite, out),
        fresh=fresh,
        log_file=Path(log_file) if log_file is not None else None,
        executor=executor,
        options=options,
        give_up_after=give_up_after,
    )
    scoring = ScoreOptions(engine, bootstrap)
    prepared = prepare_run(plan, host, settings, scoring)
    if named is not None:
        check_sealed(named.name, named.sealed(), seal_of_run(prepared.plan.suite, prepared.inputs))
    with display_in_python(progress) as display:
        return _results(finish_run(prepared, host, scoring, display))


def evaluate(
    model: Model,
    suite: str | os.PathLike[str],
    *,
    name: str = "model",
    out: str | os.PathLike[str] | None = None,
    variables: Mapping[str, str] | None = None,
    datasets: Sequence[str] = (),
    references: Sequence[str] = (),
    limit: int | None = None,
    plugins: Sequence[str] = (),
    engine: str | None = None,
    bootstrap: int = DEFAULT_RESAMPLES,
    progress: bool | None = None,
) -> pa.Table:
    """Run a suite on a model object, in this process, and return the results.

    The object replaces the suite's models, which the suite may lack; a stored reference stays. Stored predictions are
    not reused, because it is not known what an object was made from.

    Args:
        model: any `Model`.
        suite: path of the suite file, or the name of a suite that `segharness suites` lists.
        name: id of the model in the results.
        out: the run folder; None for a temporary one, which is deleted.
        variables, datasets, references, limit, plugins, engine, bootstrap, progress: as in `run`.

    Returns:
        The results table, as from `run`.

    Raises:
        UsageError: any mistake that is found before the first cell runs.

    Example:
        >>> import pathlib, tempfile
        >>> from segharness.testing.sample import Finder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     suite = pathlib.Path(folder, "squares.yaml")
        ...     _ = suite.write_text("{segharness: 1, datasets: [sample/squares], conditions: [clean]}")
        ...     samples = ["segharness.testing.sample"]
        ...     results = evaluate(Finder(), suite, bootstrap=0, plugins=samples)
        >>> sorted(row["value"] for row in results.to_pylist() if row["metric"] == "AP" and row["category"] is None)
        [1.0, 1.0]
    """
    if not re.fullmatch(ID, name):
        raise UsageError(f"name {name!r} must match {ID}")
    require_model(model)
    host = load_host(Path(suite).parent, plugins)
    path, shown = suite_file(suite, host)
    overrides = Overrides(datasets=datasets, references=references, limit=limit, model_object=True)
    loaded = load_suite(path, host, shown=shown, variables=Variables.of_process(variables), overrides=overrides)
    object_suite = _with_object(loaded.suite, name, model)
    with tempfile.TemporaryDirectory(prefix="segharness-") as temporary:
        folder = store_path(out) if out is not None else Path(temporary)
        settings = RunSettings(folder, fresh=True, executor="inline", options=ExecutorOptions(objects={name: model}))
        scoring = ScoreOptions(engine, bootstrap)
        prepared = prepare_run(make_plan(object_suite, host), host, settings, scoring)
        with display_in_python(progress) as display:
            return _results(finish_run(prepared, host, scoring, display))


def run_folder(suite: Suite, out: str | os.PathLike[str] | None) -> StorePath:
    """Return the run folder of a suite: `out`, a path or a URL, or ``runs/<name of the suite>`` if that is None."""
    return store_path(out) if out is not None else Path("runs") / suite.name


def _with_object(suite: Suite, name: str, model: Model) -> Suite:
    """Return a suite whose only model is an object."""
    if wanted := [dataset.id for dataset in suite.datasets if dataset.resolution == ORIGINAL]:
        raise UsageError(
            f"data set `{wanted[0]}` has `resolution: original`, and a model that is an object cannot be told so: give it "
            "images as it should, and say `original-if-possible` or `model`"
        )
    references = [g.reference for g in suite.groups if isinstance(g.reference, StoredReference)]
    groups = tuple(Group(g.name, (name,), g.reference if g.reference in references else None) for g in suite.groups)
    entry = ModelEntry(name, f"object:{type(model).__module__}.{type(model).__qualname__}")
    chosen = (groups if references else groups[:1]) or (Group("models", (name,), None),)
    return Suite(**{**vars(suite), "models": (entry,), "groups": chosen})


def load_host(folder: Path, plugins: Sequence[str]) -> PluginHost:
    """Return the installed plugins, the one in a folder, and those that are named."""
    host = PluginHost.load(PluginArguments(tuple(plugins), (str(folder.absolute()),)))
    host.check_conflicts()
    return host


def _results(finished: FinishedRun) -> pa.Table:
    """Return the results of a run, or raise why there are none; warn about cells that failed."""
    if finished.outcome.interrupted:
        raise KeyboardInterrupt
    if finished.results is None:
        raise StoreError(finished.outcome.stopped or f"{finished.outcome.folder.path}: nothing was run")
    for note in dict.fromkeys(finished.outcome.notes):
        warnings.warn(note, stacklevel=3)
    if failed := finished.outcome.failed:
        first = next(iter(failed.values()))
        warnings.warn(f"{len(failed)} cells failed, their numbers are null; the first: {first}", stacklevel=3)
    return finished.results
