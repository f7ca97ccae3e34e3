"""A run folder -> results: every cell scored from its stored predictions, and degradation over conditions and data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segharness.data.dataset import OpenDataset, open_dataset
from segharness.digests import digest
from segharness.errors import StoreError, UsageError, nearest
from segharness.identity import Inputs
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import MetricSpec
from segharness.records import Condition
from segharness.score.cells import CellPredictions, read_cell
from segharness.score.curves import Row, degradation_rows
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.score.resample import Resamples, draw, interval
from segharness.score.stored import StoredNumbers, protocol_of, read_stored, reference_aps
from segharness.store import RESULTS, RunFolder, table, write_results
from segharness.store.failures import read_failures
from segharness.store.resamples import resamples_file, write_resamples
from segharness.suite import OVERALL, MetricEntry, StoredReference, Suite

BOOTSTRAP = 1000
"""How many resamples intervals are taken from."""


@dataclass(frozen=True)
class ScoreOptions:
    """How to score a run.

    Attributes:
        engine: which implementation to use, of the evaluations that have it; None for the default.
        bootstrap: how many resamples; 0 for no intervals.
    """

    engine: str | None = None
    bootstrap: int = BOOTSTRAP


def check_engine(suite: Suite, host: PluginHost, engine: str | None) -> None:
    """Raise UsageError if none of a suite's evaluations has an engine of that name."""
    known = [name for entry in suite.scoring.metrics for name in host.get(entry.metric, MetricSpec).engines]
    if engine is not None and engine not in known:
        raise UsageError(f"no engine `{engine}`{nearest(engine, known)}")


def score_run(
    folder: RunFolder,
    host: PluginHost,
    options: ScoreOptions | None = None,
    complain: Callable[[str], None] = lambda text: None,
) -> pa.Table:
    """Score a run again from what is stored, and write its results.arrow.

    Args:
        folder: of the run; its manifest says what to score.
        host: the plugins, for data sets and metrics.
        options: with what; the default engine and intervals when None.
        complain: called with one line for every metric that raised; its numbers are null.

    Returns:
        the results table, with the manifest in its schema's metadata.

    Raises:
        StoreError: the folder is no run, or its data set changed since.
        DataError: the data set is not there.
    """
    options = options or ScoreOptions()
    manifest = folder.read_manifest()
    suite = Suite.from_json(manifest["suite"])
    check_engine(suite, host, options.engine)
    inputs = Inputs(**manifest["inputs"])
    failures = read_failures(folder.failures)
    rows: list[Row] = []
    notes: dict[str, None] = {}
    sizes: dict[str, Any] = {}
    for entry in suite.datasets:
        opened = open_dataset(entry, host)
        if opened.dataset.digest != inputs.datasets[entry.id]["digest"]:
            raise StoreError(f"data set `{entry.id}` is not the one that {folder.path} was run on: its digest differs")
        sizes[entry.id] = [opened.dataset.digest, len(opened.samples)]
        scorer = _DatasetScorer(suite, folder, inputs, opened, host, options, complain, notes)
        for model in suite.models:
            for condition in suite.conditions:
                rows += scorer.cell(model.id, condition, failures.get((model.id, entry.id, condition.name)))
    key = digest({"bootstrap": options.bootstrap, "datasets": sizes}) if options.bootstrap else None
    stored = stored_references(suite, protocol_of(manifest), key)
    references = {str(g.reference): rows for g in suite.groups if isinstance(g.reference, str)}
    references |= {numbers.model: numbers.rows for numbers in stored.values()}
    rows += list(degradation_rows(suite, rows, stored))
    for row in rows:
        row.update(_interval(row))
    content = table(RESULTS, {name: [row.get(name) for row in rows] for name in RESULTS.names})
    scored = {"engine": options.engine or "default", "bootstrap": options.bootstrap, "notes": list(notes)}
    scored["references"] = {name: digest(reference_aps(found, name)) for name, found in references.items()}
    written = write_results(folder.results, content, {**manifest, **scored})
    try:
        write_resamples(folder.results, written, key or "", rows)
    except OSError as error:
        complain(
            f"{resamples_file(folder.results)}: cannot be written: {error.strerror}; runs cannot be compared with this"
        )
    return written


def stored_references(suite: Suite, protocol: Mapping[str, Any], key: str | None) -> dict[str, StoredNumbers]:
    """Return the stored references of a suite's groups, by the groups' names."""
    return {
        group.name: read_stored(group.reference, protocol, key)
        for group in suite.groups
        if isinstance(group.reference, StoredReference)
    }


def _interval(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the interval of a row that has samples, or in its reason why it has none."""
    if row.get("samples") is None or row["value"] is None:
        return {}
    found = interval(row["value"], row["samples"])
    return {"ci_low": found.low, "ci_high": found.high, "reason": found.reason}


class _DatasetScorer:
    """Scores the cells of one data set; prepares its ground truth once."""

    def __init__(
        self,
        suite: Suite,
        folder: RunFolder,
        inputs: Inputs,
        opened: OpenDataset,
        host: PluginHost,
        options: ScoreOptions,
        complain: Callable[[str], None],
        notes: dict[str, None],
    ) -> None:
        self._suite, self._folder, self._inputs, self._opened = suite, folder, inputs, opened
        self._scoring, self._complain, self._notes = options, complain, notes
        self._metrics = [(entry, host.get(entry.metric, MetricSpec)) for entry in suite.scoring.metrics]
        self._truths: dict[tuple[str, ...], GroundTruth] = {}
        self._resamples: Resamples | None = None
        if options.bootstrap and len(opened.samples) > 1:  # of one image every resample is the same
            ids = [sample.image_id for sample in opened.samples]
            self._resamples = draw(opened.dataset.digest, ids, options.bootstrap)

    def cell(self, model: str, condition: Condition, failure: str | None) -> Iterator[Row]:
        """Yield the rows of one cell; an incomplete one has its rows too, with the reason."""
        cell = read_cell(self._folder, self._inputs, self._opened, model, condition.name)
        if cell.absent and failure is not None:
            cell = CellPredictions(None, failure)
        for entry, spec in self._metrics:
            if entry.datasets and self._opened.entry.id not in entry.datasets:
                continue
            for task in tasks_of(spec, self._suite.scoring.tasks):
                for score in self._scores(
                    entry, spec, task, cell, f"{model}::{self._opened.entry.id}::{condition.name}"
                ):
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
                        **self._sampled(score),
                    }

    @staticmethod
    def _sampled(score: Score) -> dict[str, Any]:
        """Return a score's samples; those of single categories become their interval at once, for there are many."""
        row = {"samples": score.samples, "value": score.value, "reason": score.reason}
        return row if score.category is None else {**_interval(row), "samples": None}

    def _scores(
        self, entry: MetricEntry, spec: MetricSpec, task: str, cell: CellPredictions, where: str
    ) -> Sequence[Score]:
        splits = self._suite.scoring.splits
        metrics: Sequence[str] = spec.metrics
        names = (OVERALL, *(split.name for split in splits))
        engine = self._scoring.engine if self._scoring.engine in spec.engines else next(iter(spec.engines), None)
        try:
            metrics = metrics if spec.configure is None else load(spec.configure)(entry.options)
            if cell.predictions is None:
                return [Score(metric, None, cell.reason, name) for name in names for metric in metrics]
            truth = self._truth(spec)
            request = ScoreRequest(
                truth,
                _of_categories(self._opened.taxonomy.apply_to_predictions(cell.predictions), truth),
                task,
                splits,
                engine,
                cell.images,
                entry.options,
                self._resamples,
                lambda text: self._notes.setdefault(f"{where}: {entry.id}, {task}: {text}"),
            )
            found: Sequence[Score] = list(load(spec.score)(request))
            _check_samples(found, self._resamples)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a metric is a plugin's code; it costs its own numbers
            what = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            what = f"metric `{entry.id}`: {what}"
            self._complain(f"{what} (data set `{self._opened.entry.id}`, task {task})")
            return [Score(metric, None, what, name) for name in names for metric in metrics]
        return found

    def _truth(self, spec: MetricSpec) -> GroundTruth:
        key = (spec.ground_truth, *spec.also)
        if key not in self._truths:
            self._truths[key] = ground_truth(self._opened, spec.ground_truth, spec.also)
            if spec.ground_truth in self._opened.renumbered:
                self._notes.setdefault(f"{self._opened.entry.id}: ground truths with ids of 0 or below were renumbered")
        return self._truths[key]


def _check_samples(scores: Sequence[Score], resamples: Resamples | None) -> None:
    """Raise ValueError if an evaluation's scores carry other samples than one a resample."""
    shape = (resamples.size,) if resamples is not None else None
    for score in scores:
        found = None if score.samples is None else np.shape(score.samples)
        if found is not None and found != shape:
            raise ValueError(f"`{score.metric}` has samples of shape {found}, there are {shape and shape[0]} resamples")


def _of_categories(predictions: pa.Table, truth: GroundTruth) -> pa.Table:
    """Return the predictions of categories that a ground truth has: one of things has no stuff."""
    known = pa.array([category["id"] for category in truth.content["categories"]], pa.int32())
    fits = pc.is_in(predictions.column("category_id"), known)
    return predictions if pc.all(fits).as_py() is not False else predictions.filter(fits)


def tasks_of(spec: MetricSpec, asked: Sequence[str]) -> Sequence[str]:
    """Return the tasks that an evaluation is done for: those asked for, or its own where it has no choice."""
    return spec.tasks if len(spec.tasks) == 1 else [task for task in asked if task in spec.tasks]


def ground_truth(opened: OpenDataset, kind: str, also: Sequence[str] = ()) -> GroundTruth:
    """Return a data set's ground truth as it is scored; further kinds where the data set has them.

    Raises:
        UsageError: the data set has no ground truth of that kind.
    """
    more = {other: found for other in also if (found := opened.scored_ground_truth(other)) is not None}
    content = opened.scored_ground_truth(kind)
    if content is None:
        raise UsageError(f"data set `{opened.entry.id}` has no ground truth of the kind `{kind}`")
    return GroundTruth(content, more)
