"""From Python what the command line does: ``segharness.run(suite)``, ``segharness.evaluate(model, suite)``."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segharness.errors import StoreError, UsageError
from segharness.execution import (
    RETRIES,
    TIMEOUT,
    ExecutorOptions,
    PreparedRun,
    RunOutcome,
    RunSettings,
    execute,
    prepare,
)
from segharness.execution.monitor.progress import Display
from segharness.model.interface import require_model
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import MetricSpec
from segharness.records import Model
from segharness.score import (
    BOOTSTRAP,
    ScoreOptions,
    check_engine,
    check_split,
    check_stored_reference,
    protocol_of,
    score_run,
)
from segharness.store import Lock, RunFolder, StorePath, read_results, store_path
from segharness.store.resamples import read_resamples
from segharness.suite import ModelEntry, Overrides, Plan, StoredReference, Suite, Variables, load_suite, make_plan
from segharness.suite.schema import ID
from segharness.suite.select import Selection
from segharness.suite.suite import Group

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FinishedRun:
    """A run that came to its end: what became of it, and its results (None when it was interrupted)."""

    outcome: RunOutcome
    results: pa.Table | None


def prepare_run(plan: Plan, host: PluginHost, settings: RunSettings, scoring: ScoreOptions) -> PreparedRun:
    """Find everything that can be wrong before the first cell runs.

    Raises:
        UsageError: see `segharness.execution.prepare`; also a stored reference of another protocol.
    """
    check_engine(plan.suite, host, scoring.engine)
    prepared = prepare(plan, host, settings)
    for id, opened in prepared.datasets.items():
        becomes = opened.taxonomy.becomes
        names = [category.name for category in opened.dataset.categories if becomes[category.name] == category.name]
        for split in plan.suite.scoring.splits:
            check_split(split, names, id)
    _check_ground_truths(plan.suite, prepared, host)
    protocol = protocol_of({"suite": plan.suite.to_json(), "inputs": prepared.inputs.to_json()})
    for group in plan.suite.groups:
        if isinstance(group.reference, StoredReference):
            if store_path(group.reference.results).resolve() == RunFolder(settings.out).results.resolve():
                raise UsageError(
                    f"{group.reference.results}: this run would overwrite its own reference; give --out DIR"
                )
            content = read_results(group.reference.results)
            check_stored_reference(group.reference, content, protocol)
            if scoring.bootstrap:
                read_resamples(store_path(group.reference.results), content)
    return prepared


def _check_ground_truths(suite: Suite, prepared: PreparedRun, host: PluginHost) -> None:
    """Raise UsageError if an evaluation needs a kind of ground truth that a data set does not have; all have instances."""
    for entry in suite.scoring.metrics:
        kind = host.get(entry.metric, MetricSpec).ground_truth
        for id, opened in prepared.datasets.items():
            asked = not entry.datasets or id in entry.datasets
            if asked and kind != "instances" and opened.ground_truth(kind) is None:
                raise UsageError(f"metric `{entry.id}`: data set `{id}` has no ground truth of the kind `{kind}`")


def finish_run(
    prepared: PreparedRun, host: PluginHost, scoring: ScoreOptions, display: Display | None = None
) -> FinishedRun:
    """Run what is prepared and score it, alone in its folder.

    Raises:
        UsageError: files of another identity, or another run, are in the folder.
    """
    folder = RunFolder(prepared.settings.out)
    with Lock(folder):
        outcome = execute(prepared, host, display)
        if outcome.interrupted:
            return FinishedRun(outcome, None)
        try:
            return FinishedRun(outcome, score_run(folder, host, scoring, outcome.scoring.append))
        except OSError as error:
            outcome.stopped = outcome.stopped or f"{folder.results}: cannot be written: {error.strerror or error}"
        except StoreError as error:  # the folder or the store went away, or somebody changes what is in there
            outcome.stopped = outcome.stopped or str(error)
        return FinishedRun(outcome, None)


def run(
    suite: str | os.PathLike[str],
    *,
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
    retries: int = RETRIES,
    timeout: float = TIMEOUT,
    executor_arguments: Mapping[str, Any] | None = None,
    log_file: str | os.PathLike[str] | None = None,
    plugins: Sequence[str] = (),
    engine: str | None = None,
    bootstrap: int = BOOTSTRAP,
) -> pa.Table:
    """Run a suite and return its results; what was run before is not run again.

    Args:
        suite: the file.
        out: the run folder, or a URL (``s3://...``); ``runs/<name of the suite>`` when None.
        variables: for ``${NAME}`` in the suite; the environment comes after them.
        models, datasets, references, limit: replace the suite's, as ``--model`` and so on do.
        k, m: select cells, as ``-k`` and ``-m`` do.
        fresh, executor, workers, devices, retries, timeout, log_file, plugins, engine, bootstrap: as the options of
            ``segharness run``; 0 resamples for no intervals.
        executor_arguments: the executor's own, such as ``{"address": "auto"}`` of `ray`.

    Returns:
        the results table (see docs/results.md), with the manifest in its schema's metadata. Cells that failed have null
        values with the reason.

    Raises:
        UsageError: everything that is found before the first cell runs.
    """
    file = Path(suite)
    host = _host(file, plugins)
    overrides = Overrides(models, datasets, references, limit)
    loaded = load_suite(file, host, variables=Variables.everywhere(variables), overrides=overrides)
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
    )
    scoring = ScoreOptions(engine, bootstrap)
    return _results(finish_run(prepare_run(plan, host, settings, scoring), host, scoring))


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
    bootstrap: int = BOOTSTRAP,
) -> pa.Table:
    """Run a suite's protocol on a model object, in this process, and return its results.

    The object takes the place of the suite's models; a stored reference stays. Nothing is reused: what an object was
    made from cannot be known.

    Args:
        model: any `Model`.
        suite: the file.
        name: the model's id in the results.
        out: the run folder; a temporary one that is removed when None.
        variables, datasets, references, limit, plugins, engine, bootstrap: as in `run`.

    Raises:
        UsageError: everything that is found before the first cell runs.
    """
    if not re.fullmatch(ID, name):
        raise UsageError(f"name {name!r} must match {ID}")
    require_model(model)
    file = Path(suite)
    host = _host(file, plugins)
    overrides = Overrides(datasets=datasets, references=references, limit=limit)
    loaded = load_suite(file, host, variables=Variables.everywhere(variables), overrides=overrides)
    only = _with_object(loaded.suite, name, model)
    with tempfile.TemporaryDirectory(prefix="segharness-") as temporary:
        folder = store_path(out) if out is not None else Path(temporary)
        settings = RunSettings(folder, fresh=True, executor="inline", options=ExecutorOptions(objects={name: model}))
        scoring = ScoreOptions(engine, bootstrap)
        return _results(finish_run(prepare_run(make_plan(only, host), host, settings, scoring), host, scoring))


def run_folder(suite: Suite, out: str | os.PathLike[str] | None) -> StorePath:
    """Return where a suite's run goes: a folder, or a URL of a store."""
    return store_path(out) if out is not None else Path("runs") / suite.name


def _with_object(suite: Suite, name: str, model: Model) -> Suite:
    stored = [g.reference for g in suite.groups if isinstance(g.reference, StoredReference)]
    groups = tuple(Group(g.name, (name,), g.reference if g.reference in stored else None) for g in suite.groups)
    entry = ModelEntry(name, f"object:{type(model).__module__}.{type(model).__qualname__}")
    return Suite(**{**vars(suite), "models": (entry,), "groups": groups if stored else groups[:1]})


def _host(file: Path, plugins: Sequence[str]) -> PluginHost:
    host = PluginHost.load(PluginArguments(tuple(plugins), (str(file.parent.absolute()),)))
    host.refuse_conflicts()
    return host


def _results(finished: FinishedRun) -> pa.Table:
    if finished.outcome.interrupted:
        raise KeyboardInterrupt
    if finished.results is None:
        raise StoreError(finished.outcome.stopped or f"{finished.outcome.folder.path}: nothing was run")
    if failed := finished.outcome.failed:
        first = next(iter(failed.values()))
        warnings.warn(f"{len(failed)} cells failed, their numbers are null; the first: {first}", stacklevel=3)
    return finished.results
