"""Scores a run: every cell from its stored predictions, then degradation over conditions and data sets."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segharness.data.open_dataset import OpenDataset
from segharness.digests import digest
from segharness.errors import StoreError, UsageError, nearest
from segharness.identity import Inputs, stored_run
from segharness.plugin.failures import describe, log_failure, tracebacks_in
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.metric_specs import EvaluationMetrics
from segharness.plugin.specs import MetricSpec
from segharness.records import Condition
from segharness.redaction import without_folders
from segharness.score.bootstrap import Resamples, draw, interval, resamples_problem
from segharness.score.cell_predictions import CellPredictions, read_cell
from segharness.score.data_sources import DataSources, find_data_sources
from segharness.score.degradation_rows import Row, degradation_rows
from segharness.score.observations import Observer
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.score.score_checks import checked_scores
from segharness.score.stored_reference import clean_values, read_stored, reference_values
from segharness.store import RESULTS, RunFolder, table, write_results
from segharness.store.failures import read_failures
from segharness.store.resamples import resamples_file, write_resamples
from segharness.suite import OVERALL, EvaluationEntry, Suite
from segharness.suite.recorded_metrics import KEY as METRICS_KEY
from segharness.suite.recorded_metrics import record

_LONGEST_REASON = 2000
"""A reason is cut to so many characters; the log has all of it."""

DEFAULT_RESAMPLES = 1000
"""The default number of resamples."""


@dataclass(frozen=True)
class ScoreOptions:
    """How to score a run.

    Attributes:
        engine: the implementation to use for the evaluations that have it; None for each one's default.
        bootstrap: the number of resamples, 100 to 20000; 0 for no intervals.

    Raises:
        UsageError: there are too few resamples for an interval, or too many for the memory.
    """

    engine: str | None = None
    bootstrap: int = DEFAULT_RESAMPLES

    def __post_init__(self) -> None:
        if self.bootstrap != 0 and (problem := resamples_problem(self.bootstrap)):
            raise UsageError(problem)


def check_engine(suite: Suite, host: PluginHost, engine: str | None) -> None:
    """Raise UsageError if none of a suite's evaluations has an engine of that name."""
    known = [name for entry in suite.scoring.evaluations for name in host.get(entry.metric, MetricSpec).engines]
    if engine is not None and engine not in known:
        raise UsageError(f"no engine `{engine}`{nearest(engine, known)}")


@dataclass(frozen=True)
class ScoredRun:
    """The numbers of a run, before they are written.

    Attributes:
        content: the results table, without metadata.
        metadata: what results.arrow holds of them: the manifest, and how they were made.
        rows: the rows of the table, with their values on the resamples.
        key: identifies the resamples; None without intervals.
        problems: a line for every damaged file and every metric that raised.
        incomplete: why cells cannot be scored, by ``model::dataset::condition``.
        metrics: the metrics of every evaluation, by its id.
        stored: the rows of stored references, by the model's id.
    """

    content: pa.Table
    metadata: Mapping[str, Any]
    rows: Sequence[Row]
    key: str | None
    problems: Sequence[str]
    incomplete: Mapping[str, str]
    metrics: Mapping[str, EvaluationMetrics]
    stored: Mapping[str, Sequence[Mapping[str, Any]]]

    def reference_digests(self, suite: Suite, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what results.arrow says of the references' values: digests, by model and metric.

        Args:
            suite: of the run.
            rows: of its results, for the references that are models of the run.
        """
        references = {str(group.reference): rows for group in suite.groups if isinstance(group.reference, str)}
        values = {
            name: reference_values(of_reference, name, self.metrics)
            for name, of_reference in {**references, **self.stored}.items()
        }
        return {
            "references": {name: digest(by_metric.get("AP", [])) for name, by_metric in values.items()},
            "other_references": {
                name: {metric: digest(cells) for metric, cells in by_metric.items() if metric != "AP"}
                for name, by_metric in values.items()
            },
        }


def score_run(
    folder: RunFolder,
    host: PluginHost,
    options: ScoreOptions | None = None,
    warn: Callable[[str], None] = lambda text: None,
    sources: DataSources | None = None,
) -> pa.Table:
    """Score a run from its stored predictions, and write its results.arrow.

    Args:
        folder: the folder of the run; its manifest holds the suite.
        host: the plugins, which provide data sets and metrics.
        options: the engine and the number of resamples; None for the defaults.
        warn: called with one line for every problem: a metric that raised, whose values are null, or resamples that
            could not be written.
        sources: the run's data sets and stored references; None to find those that this machine remembers.

    Returns:
        The results table, with the manifest in its schema's metadata.

    Raises:
        StoreError: the folder holds no run, where a data set lies is not known, or the results cannot be written.
        UsageError: the options or a stored reference do not fit the suite.
    """
    with tracebacks_in(folder.logs / "scoring.log"):
        scored = scored_run(folder, host, options, sources)
    for line in scored.problems:
        warn(line)
    try:
        written = write_results(folder.results, scored.content, scored.metadata)
    except OSError as error:
        raise StoreError(f"{folder.results}: cannot be written: {error.strerror or error}") from error
    try:
        write_resamples(folder.results, written, scored.key or "", scored.rows)
    except OSError as error:
        warn(
            f"{resamples_file(folder.results)}: cannot be written: {error.strerror}; "
            "comparisons with this run will have no intervals"
        )
    return written


def scored_run(
    folder: RunFolder, host: PluginHost, options: ScoreOptions | None = None, sources: DataSources | None = None
) -> ScoredRun:
    """Derive every number of a run from its stored predictions; write nothing. As `score_run` otherwise."""
    options = options or ScoreOptions()
    manifest = folder.read_manifest()
    run = stored_run(manifest, folder.manifest)
    suite, inputs = run.suite, run.inputs
    sources = sources or find_data_sources(folder, host)
    check_engine(suite, host, options.engine)
    failures = read_failures(folder.failures)
    metrics = {entry.id: _metrics_of(entry, host) for entry in suite.scoring.evaluations}
    rows: list[Row] = []
    problems: list[str] = []
    notes: dict[str, None] = {}
    sizes: dict[str, Any] = {}
    incomplete: dict[str, str] = {}
    observations: list[list[str]] = []
    for entry in suite.datasets:
        if entry.id not in sources.datasets:
            raise StoreError(f"{folder.manifest}: another run changed it meanwhile; score it again")
        opened = sources.datasets[entry.id]
        sizes[entry.id] = [opened.dataset.digest, len(opened.samples)]
        notes |= {f"{entry.id}: {note}": None for note in opened.notes}
        scorer = _DatasetScorer(suite, folder, inputs, opened, host, options, problems.append, notes)
        for model in suite.models:
            for condition in suite.conditions:
                rows += scorer.cell(model.id, condition, failures.get((model.id, entry.id, condition.name)))
        incomplete |= scorer.incomplete
        observations += [[model, entry.id, text] for model, text in scorer.observations()]
    key = digest({"bootstrap": options.bootstrap, "datasets": sizes}) if options.bootstrap else None
    stored = {name: read_stored(reference, run.protocol, key) for name, reference in sources.references.items()}
    rows += list(degradation_rows(suite, metrics, rows, stored))
    for row in rows:
        row.update(_interval_columns(row))
        if row.get("reason") is not None:
            row["reason"] = without_folders(row["reason"])[:_LONGEST_REASON]
    content = table(RESULTS, {name: [row.get(name) for row in rows] for name in RESULTS.names})
    scoring: dict[str, Any] = {
        "engine": options.engine or "default",
        "bootstrap": options.bootstrap,
        "notes": [without_folders(note) for note in notes],
        "observations": observations,
    }
    scoring["reference_clean"] = [
        value for stored_rows in stored.values() for value in clean_values(stored_rows, metrics)
    ]
    scoring[METRICS_KEY] = record(metrics)
    of_stored = {numbers.model: numbers.rows for numbers in stored.values()}
    scored = ScoredRun(content, {**manifest, **scoring}, rows, key, problems, incomplete, metrics, of_stored)
    return replace(scored, metadata={**scored.metadata, **scored.reference_digests(suite, rows)})


def _interval_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the interval columns of a row with value and samples; `reason` says why an interval is missing."""
    if row.get("samples") is None or row["value"] is None:
        return {}
    bounds = interval(row["value"], row["samples"])
    return {"ci_low": bounds.low, "ci_high": bounds.high, "reason": bounds.reason}


class _DatasetScorer:
    """Scores the cells of one data set, and prepares its ground truth once for all of them.

    Attributes:
        incomplete: why cells could not be scored, by ``model::dataset::condition``.
    """

    def __init__(
        self,
        suite: Suite,
        folder: RunFolder,
        inputs: Inputs,
        opened: OpenDataset,
        host: PluginHost,
        options: ScoreOptions,
        warn: Callable[[str], None],
        notes: dict[str, None],
    ) -> None:
        self._suite, self._folder, self._inputs, self._opened = suite, folder, inputs, opened
        self._options, self._warn, self._notes = options, warn, notes
        self._host = host
        self.incomplete: dict[str, str] = {}
        self._observer = Observer(opened)
        self._evaluations = [(entry, host.get(entry.metric, MetricSpec)) for entry in suite.scoring.evaluations]
        self._truths: dict[tuple[str, ...], GroundTruth] = {}
        self._occurring: dict[str, frozenset[int]] = {}
        self._resamples: Resamples | None = None
        if options.bootstrap and len(opened.samples) > 1:  # all resamples of a single image are the same
            ids = [sample.image_id for sample in opened.samples]
            self._resamples = draw(opened.dataset.digest, ids, options.bootstrap)

    def cell(self, model: str, condition: Condition, failure: str | None) -> Iterator[Row]:
        """Yield the rows of one cell. An incomplete cell has the same rows, with null values and the reason."""
        cell = read_cell(self._folder, self._inputs, self._opened, model, condition.name)
        if cell.absent and failure is not None:
            cell = CellPredictions(None, failure)
        name = f"{model}::{self._opened.entry.id}::{condition.name}"
        if cell.reason is not None:
            self.incomplete[name] = cell.reason
        if cell.damaged:
            self._warn(f"{name}: {cell.reason}")
        if cell.predictions is not None and not len(cell.predictions.column("annotation_id").drop_null()):
            self._observer.look(model, cell.predictions)
        for entry, spec in self._evaluations:
            if entry.datasets and self._opened.entry.id not in entry.datasets:
                continue
            for task in tasks_of(spec, self._suite.scoring.tasks):
                for score in self._scores(entry, spec, task, model, cell, name):
                    yield {
                        "model": model,
                        "dataset": self._opened.entry.id,
                        "condition": condition.name,
                        "corruption": condition.corruption,
                        "severity": condition.severity,
                        "evaluation": entry.id,
                        "task": task,
                        "split": score.split,
                        "category": score.category,
                        "metric": score.metric,
                        "value": score.value,
                        "reason": score.reason,
                        "n_images": score.n_images,
                        "n_instances": score.n_instances,
                        "device": score.device,
                        **self._sample_columns(score),
                    }

    def observations(self) -> Iterator[tuple[str, str]]:
        """Yield models and what is to be said of their predictions beside the ground truth that was scored."""
        truths = (truth.content for key, truth in self._truths.items() if key[0] == "instances")
        return self._observer.observations(next(truths, None))

    @staticmethod
    def _sample_columns(score: Score) -> dict[str, Any]:
        """Return value, reason and samples of a score; of a category, the interval in place of the many samples."""
        row = {"samples": score.samples, "value": score.value, "reason": score.reason}
        return row if score.category is None else {**_interval_columns(row), "samples": None}

    def _scores(
        self,
        entry: EvaluationEntry,
        spec: MetricSpec,
        task: str,
        model: str,
        cell: CellPredictions,
        cell_name: str,
    ) -> Sequence[Score]:
        splits = self._suite.scoring.splits
        metrics = [metric.name for metric in spec.metrics]
        names = (OVERALL, *(split.name for split in splits))
        engine = self._options.engine if self._options.engine in spec.engines else next(iter(spec.engines), None)
        try:
            declared = spec.metrics_under(entry.options)
            metrics = [metric.name for metric in declared.declared]
            if cell.predictions is None:
                return [Score(metric, None, cell.reason, name) for name in names for metric in metrics]
            truth = self._truth(spec)
            request = ScoreRequest(
                truth,
                _restrict_to_categories(self._opened.taxonomy.apply_to_predictions(cell.predictions), truth),
                task,
                splits,
                engine,
                cell.images,
                copy.deepcopy(dict(entry.options)),
                self._resamples,
                self._predictable(model, spec, cell),
                lambda text: self._notes.setdefault(f"{cell_name}: {entry.id}, {task}: {text}"),
            )
            return checked_scores(
                list(load(spec.score)(request)),
                declared,
                self._resamples,
                splits=names,
                categories=[category["name"] for category in truth.content["categories"]],
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001  a failing plugin loses only its own metrics
            reason = describe(error)
            reason = f"metric `{entry.id}`: {reason}"
            log_failure(f"{cell_name}: {reason} (task {task})", error)
            self._warn(f"{reason} (data set `{self._opened.entry.id}`, task {task})")
            return [Score(metric, None, reason, name) for name in names for metric in metrics]

    def _predictable(self, model: str, spec: MetricSpec, cell: CellPredictions) -> Sequence[int] | None:
        """Return the categories that a model has labels for, as scored; None if they are not known and nobody asks.

        Of predictions that were made elsewhere, or by earlier versions, they are those that occur in any of its cells.
        """
        if cell.predictable is not None:
            return self._opened.taxonomy.scored_ids(cell.predictable)
        if spec.ground_truth != "panoptic":
            return None
        if model not in self._occurring:
            ids: set[int] = set()
            for condition in self._suite.conditions:
                stored = read_cell(self._folder, self._inputs, self._opened, model, condition.name)
                if stored.predictions is not None:
                    ids |= set(stored.predictions.column("category_id").unique().to_pylist())
            self._occurring[model] = frozenset(ids)
        return self._opened.taxonomy.scored_ids(self._occurring[model])

    def _is_ours(self, spec: MetricSpec) -> bool:
        return self._host.owner(spec).name == "segharness"

    def _truth(self, spec: MetricSpec) -> GroundTruth:
        key = (spec.ground_truth, *spec.also)
        if not self._is_ours(spec):  # what a plugin does to its ground truth concerns no other evaluation
            key = (spec.name, *key)
        if key not in self._truths:
            truth = ground_truth(self._opened, spec.ground_truth, spec.also)
            self._truths[key] = truth if self._is_ours(spec) else copy.deepcopy(truth)
            if spec.ground_truth in self._opened.renumbered:
                self._notes.setdefault(f"{self._opened.entry.id}: ground truths with ids of 0 or below were renumbered")
        return self._truths[key]


def _metrics_of(entry: EvaluationEntry, host: PluginHost) -> EvaluationMetrics:
    """Return the metrics of an evaluation. If its plugin refuses the options, every cell has the reason."""
    spec = host.get(entry.metric, MetricSpec)
    try:
        return spec.metrics_under(entry.options)
    except (Exception, SystemExit):  # noqa: BLE001  scoring a cell fails in the same way and says so
        return EvaluationMetrics(spec.metrics, spec.table)


def _restrict_to_categories(predictions: pa.Table, truth: GroundTruth) -> pa.Table:
    """Return the predictions of the ground truth's categories; a ground truth of things has no stuff, for example."""
    category_ids = pa.array([category["id"] for category in truth.content["categories"]], pa.int32())
    kept = pc.is_in(predictions.column("category_id"), category_ids)
    return predictions if pc.all(kept).as_py() is not False else predictions.filter(kept)


def tasks_of(spec: MetricSpec, requested: Sequence[str]) -> Sequence[str]:
    """Return the tasks to evaluate: those of `requested` that the metric has, or its own task if it has only one."""
    return spec.tasks if len(spec.tasks) == 1 else [task for task in requested if task in spec.tasks]


def ground_truth(opened: OpenDataset, kind: str, also: Sequence[str] = ()) -> GroundTruth:
    """Return a data set's ground truth, restricted to what is scored.

    Args:
        opened: the data set.
        kind: the kind of ground truth, such as ``instances``.
        also: further kinds to add; kinds that the data set does not have are left out.

    Raises:
        UsageError: the data set has no ground truth of `kind`.
    """
    further = {name: truth for name in also if (truth := opened.scored_ground_truth(name)) is not None}
    content = opened.scored_ground_truth(kind)
    if content is None:
        raise UsageError(f"data set `{opened.entry.id}` has no ground truth of the kind `{kind}`")
    return GroundTruth(content, further)
