"""Scores a run: every cell from its stored predictions, then degradation over conditions and data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from segharness.digests import digest
from segharness.errors import StoreError
from segharness.identity import stored_run
from segharness.plugin.facts import facts_of
from segharness.plugin.failures import tracebacks_in
from segharness.plugin.host import PluginHost
from segharness.plugin.metric_specs import EvaluationMetrics
from segharness.plugin.specs import MetricSpec
from segharness.redaction import without_folders
from segharness.score.data_sources import DataSources, find_data_sources
from segharness.score.dataset_scorer import DatasetScorer, interval_columns
from segharness.score.degradation_rows import Row, degradation_rows
from segharness.score.model_records import ModelRecords
from segharness.score.score_options import ScoreOptions, check_engine
from segharness.score.stored_reference import clean_values, read_stored, reference_values
from segharness.store import RESULTS, RunFolder, table, write_results
from segharness.store.failures import read_failures
from segharness.store.resamples import resamples_file, write_resamples
from segharness.suite import EvaluationEntry, Suite
from segharness.suite.recorded_metrics import KEY as METRICS_KEY
from segharness.suite.recorded_metrics import record

_LONGEST_REASON = 2000
"""A reason is cut to so many characters; the log has all of it."""


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
    records = ModelRecords()
    for entry in suite.datasets:
        if entry.id not in sources.datasets:
            raise StoreError(f"{folder.manifest}: another run changed it meanwhile; score it again")
        opened = sources.datasets[entry.id]
        sizes[entry.id] = [opened.dataset.digest, len(opened.samples)]
        notes |= {f"{entry.id}: {note}": None for note in opened.notes}
        scorer = DatasetScorer(suite, folder, inputs, opened, host, options, problems.append, notes, records)
        for model in suite.models:
            for condition in suite.conditions:
                rows += scorer.cell(model.id, condition, failures.get((model.id, entry.id, condition.name)))
        incomplete |= scorer.incomplete
        observations += [[model, entry.id, text] for model, text in scorer.observations()]
    key = digest({"bootstrap": options.bootstrap, "datasets": sizes}) if options.bootstrap else None
    stored = {name: read_stored(reference, run.protocol, key) for name, reference in sources.references.items()}
    rows += list(degradation_rows(suite, metrics, rows, stored))
    for row in rows:
        row.update(interval_columns(row))
        if row.get("reason") is not None:
            row["reason"] = without_folders(row["reason"])[:_LONGEST_REASON]
    content = table(RESULTS, {name: [row.get(name) for row in rows] for name in RESULTS.names})
    scoring: dict[str, Any] = {
        "engine": options.engine or "default",
        "bootstrap": options.bootstrap,
        "notes": [without_folders(note) for note in notes],
        "observations": observations,
        "network_inputs": list(records.network_inputs()),
        "facts": {m.id: _shared_facts(records.facts.get(m.id, {}), m.facts) for m in suite.models},
    }
    scoring["reference_clean"] = [
        value for stored_rows in stored.values() for value in clean_values(stored_rows, metrics)
    ]
    scoring[METRICS_KEY] = record(metrics)
    of_stored = {numbers.model: numbers.rows for numbers in stored.values()}
    scored = ScoredRun(content, {**manifest, **scoring}, rows, key, problems, incomplete, metrics, of_stored)
    return replace(scored, metadata={**scored.metadata, **scored.reference_digests(suite, rows)})


def _shared_facts(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in some mappings; later ones win. Texts have no folders of this machine."""
    facts = facts_of(*sources)
    return {key: without_folders(value) if isinstance(value, str) else value for key, value in facts.items()}


def _metrics_of(entry: EvaluationEntry, host: PluginHost) -> EvaluationMetrics:
    """Return the metrics of an evaluation. If its plugin refuses the options, every cell has the reason."""
    spec = host.get(entry.metric, MetricSpec)
    try:
        return spec.metrics_under(entry.options)
    except (Exception, SystemExit):  # noqa: BLE001  scoring a cell fails in the same way and says so
        return EvaluationMetrics(spec.metrics, spec.table)
