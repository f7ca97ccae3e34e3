"""A run from its plan to its results: prepared, executed and scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segharness.api.planning_notes import planning_notes
from segharness.errors import SchemaError, StoreError, UsageError
from segharness.execution import (
    PreparedRun,
    RunOutcome,
    RunSettings,
    execute,
    prepare,
)
from segharness.execution.monitor.progress import Display
from segharness.identity import protocol_inputs
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import MetricSpec
from segharness.score import (
    ScoreOptions,
    check_engine,
    check_split,
    check_stored_reference,
    score_run,
)
from segharness.score.data_sources import DataSources, remember_data_sources
from segharness.score.stored_reference import numbers_digest
from segharness.store import Lock, RunFolder, read_results, store_path
from segharness.store.resamples import read_resamples
from segharness.suite import Plan, StoredReference, Suite
from segharness.suite.suite import Group

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended.

    Attributes:
        outcome: which cells succeeded or failed, and why the run stopped early, if it did.
        results: the results table; None if the run was interrupted or its results could not be written.
    """

    outcome: RunOutcome
    results: pa.Table | None


def prepare_run(plan: Plan, host: PluginHost, settings: RunSettings, scoring: ScoreOptions) -> PreparedRun:
    """Prepare a run: find all mistakes that can be found before the first cell runs.

    Raises:
        UsageError: as `segharness.execution.prepare`. Also if there is no such scoring engine, a split or an evaluation
            does not fit a data set, a stored reference has another protocol or would be overwritten, or the folder has
            results of models or data sets that the plan lacks.
    """
    check_engine(plan.suite, host, scoring.engine)
    prepared = prepare(plan, host, settings)
    plan = prepared.plan  # without limits that leave nothing out
    for id, open_dataset in prepared.datasets.items():
        becomes = open_dataset.taxonomy.targets
        names = [
            category.name for category in open_dataset.dataset.categories if becomes[category.name] == category.name
        ]
        for split in plan.suite.scoring.splits:
            check_split(split, names, id)
    _check_ground_truths(plan.suite, prepared, host)
    protocol = protocol_inputs(plan.suite, prepared.inputs)
    groups: list[Group] = []
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
            numbers = numbers_digest(content, group.reference.model)
            group = replace(group, reference=replace(group.reference, digest=numbers))
        groups.append(group)
    _check_nothing_dropped(plan.suite, settings)
    suite = replace(plan.suite, groups=tuple(groups))
    notes = tuple(dict.fromkeys(planning_notes(prepared, host)))
    return replace(prepared, plan=replace(plan, suite=suite), notes=notes)


def _check_nothing_dropped(suite: Suite, settings: RunSettings) -> None:
    """Raise UsageError if results of the folder are of models or data sets that this run would drop from the file."""
    file = RunFolder(settings.out).results
    if settings.fresh or not file.is_file():
        return
    try:
        results = read_results(file)
    except SchemaError:
        raise
    except StoreError:
        return  # damaged results are made again
    shifts = {shift.name for shift in suite.shifts}
    for column, kind, ids in (
        ("model", "model", {entry.id for entry in suite.models}),
        ("dataset", "data set", {entry.id for entry in suite.datasets} | shifts),
    ):
        dropped = [f"`{id}`" for id in dict.fromkeys(results.column(column).to_pylist()) if id not in ids]
        if dropped:
            raise UsageError(
                f"{file}: has results of the {kind}{'s' if len(dropped) > 1 else ''} {', '.join(dropped)}, which this "
                f"run would drop: give --out DIR to keep them, or --fresh to replace them"
            )


def _check_ground_truths(suite: Suite, prepared: PreparedRun, host: PluginHost) -> None:
    """Raise UsageError if an evaluation needs a kind of ground truth that a data set lacks; all have instances."""
    for entry in suite.scoring.evaluations:
        kind = host.get(entry.metric, MetricSpec).ground_truth
        for id, dataset in prepared.datasets.items():
            is_scored = (not entry.datasets or id in entry.datasets) and dataset.withheld is None
            if is_scored and kind != "instances" and dataset.ground_truth(kind) is None:
                raise UsageError(f"metric `{entry.id}`: data set `{id}` has no ground truth of the kind `{kind}`")


def finish_run(
    prepared: PreparedRun, host: PluginHost, scoring: ScoreOptions, display: Display | None = None
) -> FinishedRun:
    """Execute a prepared run and score it, holding the lock of its folder.

    Args:
        prepared: what `prepare_run` returned.
        host: the plugins.
        scoring: engine and resamples.
        display: shows the progress; None for none.

    Raises:
        UsageError: the folder holds files of another identity, or another run is writing into it.
    """
    folder = RunFolder(prepared.settings.out)
    with Lock(folder):
        outcome = execute(prepared, host, display)
        if outcome.interrupted:
            return FinishedRun(outcome, None)
        outcome.notes += dict.fromkeys(
            f"model `{model}`: {weights.note}"
            for model, by_dataset in prepared.weights.items()
            for weights in by_dataset.values()
            if weights.note
        )
        outcome.notes += prepared.notes
        sources = _sources(prepared)
        try:
            remember_data_sources(sources)
        except OSError as error:
            outcome.notes.append(f"where the data lie is not remembered: {error.strerror}: {error.filename}")
        try:
            return FinishedRun(outcome, score_run(folder, host, scoring, outcome.scoring.append, sources))
        except OSError as error:
            outcome.stopped = outcome.stopped or f"{folder.results}: cannot be written: {error.strerror or error}"
        except StoreError as error:  # the folder or store is gone, or its files are being changed
            outcome.stopped = outcome.stopped or str(error)
        return FinishedRun(outcome, None)


def _sources(prepared: PreparedRun) -> DataSources:
    """Return what a run was made with, for its scoring."""
    groups = prepared.plan.suite.groups
    references = {group.name: group.reference for group in groups if isinstance(group.reference, StoredReference)}
    return DataSources(prepared.datasets, references)
