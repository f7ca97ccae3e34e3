"""Scores the cells of one data set: every cell by every evaluation, against a ground truth that is prepared once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segharness.data.open_dataset import OpenDataset
from segharness.errors import UsageError
from segharness.identity import Inputs
from segharness.plugin.failures import describe, log_failure
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import MetricSpec
from segharness.records import Condition
from segharness.score.bootstrap import Resamples, draw, interval
from segharness.score.cell_predictions import CellPredictions, read_cell
from segharness.score.degradation_rows import Row
from segharness.score.model_records import ModelRecords
from segharness.score.observations import Observer
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.score.score_checks import checked_scores
from segharness.score.score_options import ScoreOptions
from segharness.store import RunFolder
from segharness.suite import OVERALL, EvaluationEntry, Suite


class DatasetScorer:
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
        records: ModelRecords,
    ) -> None:
        self._suite, self._folder, self._inputs, self._opened = suite, folder, inputs, opened
        self._options, self._warn, self._notes = options, warn, notes
        self._host, self._records = host, records
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
        if cell.images is not None:
            self._records.look(model, self._opened.entry.id, cell.images, cell.facts)
        if cell.predictions is not None and not len(cell.predictions.column("annotation_id").drop_null()):
            dropped = 0
            if cell.predictable is None and cell.images is not None:  # a model's own further labels are no mistake
                dropped = pc.sum(cell.images.column("dropped")).as_py() or 0
            self._observer.look(model, cell.predictions, dropped)
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
        return row if score.category is None else {**interval_columns(row), "samples": None}

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
            if cell.predictions is None or self._opened.withheld is not None:
                reason = cell.reason or self._opened.withheld
                return [Score(metric, None, reason, name) for name in names for metric in metrics]
            truth = self._truth(spec)
            request = ScoreRequest(
                truth,
                restrict_to_categories(self._opened.taxonomy.apply_to_predictions(cell.predictions), truth),
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


def interval_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the interval columns of a row with value and samples; `reason` says why an interval is missing."""
    if row.get("samples") is None or row["value"] is None:
        return {}
    bounds = interval(row["value"], row["samples"])
    return {"ci_low": bounds.low, "ci_high": bounds.high, "reason": bounds.reason}


def restrict_to_categories(predictions: pa.Table, truth: GroundTruth) -> pa.Table:
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
