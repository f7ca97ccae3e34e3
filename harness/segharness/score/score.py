"""A run folder -> results: every cell scored from its stored predictions, and degradation over conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.data import OpenDataset, open_dataset
from segharness.errors import StoreError, UsageError, nearest
from segharness.identity import Inputs, digest
from segharness.plugins import PluginHost
from segharness.records import CLEAN, Condition
from segharness.score.degradation import AGAINST_REFERENCE, Curve, Value, against_reference, own_metrics
from segharness.score.request import OVERALL, GroundTruth, Score, ScoreRequest
from segharness.specs import MetricSpec, load
from segharness.store import (
    RESULTS,
    RunFolder,
    manifest_of,
    read_results,
    read_shard,
    table,
    write_results,
)
from segharness.store.failures import read_failures
from segharness.suite import Group, StoredReference, Suite

Row = dict[str, Any]
Series = tuple[str, str, str, str, str]
"""What a curve is of: model, data set, protocol, task and split."""


def check_engine(suite: Suite, host: PluginHost, engine: str | None) -> None:
    """Raise UsageError if none of a suite's protocols has an engine of that name."""
    known = [name for metric in suite.scoring.metrics for name in host.get(metric, MetricSpec).engines]
    if engine is not None and engine not in known:
        raise UsageError(f"no engine `{engine}`{nearest(engine, known)}")


def score_run(folder: RunFolder, host: PluginHost, engine: str | None = None) -> pa.Table:
    """Score a run again from what is stored, and write its results.arrow.

    Args:
        folder: of the run; its manifest says what to score.
        host: the plugins, for data sets and metrics.
        engine: which implementation to use, of the protocols that have it; None for the default.

    Returns:
        the results table, with the manifest in its schema's metadata.

    Raises:
        StoreError: the folder is no run, or its data set changed since.
        DataError: the data set is not there.
    """
    manifest = folder.read_manifest()
    suite = Suite.from_json(manifest["suite"])
    check_engine(suite, host, engine)
    inputs = Inputs(**manifest["inputs"])
    failures = read_failures(folder.failures)
    rows: list[Row] = []
    for entry in suite.datasets:
        opened = open_dataset(entry, host)
        if opened.dataset.digest != inputs.datasets[entry.id]["digest"]:
            raise StoreError(f"data set `{entry.id}` is not the one that {folder.path} was run on: its digest differs")
        scorer = _DatasetScorer(suite, folder, inputs, opened, host, engine)
        for model in suite.models:
            for condition in suite.conditions:
                rows += scorer.cell(model.id, condition, failures.get((model.id, entry.id, condition.name)))
    rows += list(_degradation(suite, rows, manifest))
    content = table(RESULTS, {name: [row.get(name) for row in rows] for name in RESULTS.names})
    return write_results(folder.results, content, {**manifest, "engine": engine})


# ------------------------------------------------------------------------------------------------------------- cells


@dataclass(frozen=True)
class CellPredictions:
    """The stored predictions of one cell, or why they cannot be scored; `absent` says that shards are missing."""

    predictions: pa.Table | None
    reason: str | None = None
    absent: bool = False


def read_cell(folder: RunFolder, inputs: Inputs, opened: OpenDataset, model: str, condition: str) -> CellPredictions:
    """Return all predictions of a cell, if every shard is there, intact, and without errors."""
    found = []
    shards = opened.shards
    absent = 0
    for shard in shards:
        files = folder.shard(model, opened.entry.id, condition, shard.index)
        try:
            stored = read_shard(files)
        except FileNotFoundError:
            absent += 1
            continue
        except StoreError as error:
            return CellPredictions(None, str(error))
        if stored.identity != digest(inputs.of(model, opened.entry.id, condition, shard)):
            return CellPredictions(None, "made from other inputs than this run's")
        errors = stored.images.column("error").drop_null()
        if len(errors):
            return CellPredictions(None, f"{len(errors)} of {len(stored.images)} images failed: {errors[0].as_py()}")
        found.append(stored.predictions)
    if absent:
        missing = "not run" if absent == len(shards) else f"{absent} of {len(shards)} shards are missing"
        return CellPredictions(None, missing, absent=True)
    return CellPredictions(pa.concat_tables(found))


class _DatasetScorer:
    """Scores the cells of one data set; prepares its ground truth once."""

    def __init__(
        self, suite: Suite, folder: RunFolder, inputs: Inputs, opened: OpenDataset, host: PluginHost, engine: str | None
    ) -> None:
        self._suite, self._folder, self._inputs, self._opened, self._engine = suite, folder, inputs, opened, engine
        self._metrics = [host.get(name, MetricSpec) for name in suite.scoring.metrics]
        self._truths: dict[str, GroundTruth] = {}

    def cell(self, model: str, condition: Condition, failure: str | None) -> Iterator[Row]:
        """Yield the rows of one cell; an incomplete one has its rows too, with the reason."""
        cell = read_cell(self._folder, self._inputs, self._opened, model, condition.name)
        if cell.absent and failure is not None:
            cell = CellPredictions(None, failure)
        for spec in self._metrics:
            for task in self._suite.scoring.tasks:
                if task not in spec.tasks:
                    continue
                for score in self._scores(spec, task, cell):
                    yield {
                        "model": model,
                        "dataset": self._opened.entry.id,
                        "condition": condition.name,
                        "corruption": condition.corruption,
                        "severity": condition.severity,
                        "protocol": spec.name,
                        "task": task,
                        "split": score.split,
                        "category": score.category,
                        "metric": score.metric,
                        "value": score.value,
                        "reason": score.reason,
                        "n_images": score.n_images,
                        "n_instances": score.n_instances,
                    }

    def _scores(self, spec: MetricSpec, task: str, cell: CellPredictions) -> Sequence[Score]:
        splits = self._suite.scoring.splits
        if cell.predictions is None:
            names = (OVERALL, *(split.name for split in splits))
            return [Score(metric, None, cell.reason, name) for name in names for metric in spec.metrics]
        engine = self._engine if self._engine in spec.engines else next(iter(spec.engines), None)
        request = ScoreRequest(self._truth(spec.ground_truth), cell.predictions, task, splits, engine)
        found: Sequence[Score] = load(spec.score)(request)
        return found

    def _truth(self, kind: str) -> GroundTruth:
        if kind not in self._truths:
            self._truths[kind] = ground_truth(self._opened, kind)
        return self._truths[kind]


def ground_truth(opened: OpenDataset, kind: str) -> GroundTruth:
    """Return a data set's ground truth, restricted to the images that the suite takes.

    Raises:
        UsageError: the data set has no ground truth of that kind.
    """
    try:
        content = opened.dataset.ground_truth(kind)
    except KeyError:
        raise UsageError(f"data set `{opened.entry.id}` has no ground truth of the kind `{kind}`") from None
    ids = {sample.image_id for sample in opened.samples}
    return GroundTruth(
        {
            **content,
            "images": [image for image in content["images"] if image["id"] in ids],
            "annotations": [a for a in content["annotations"] if a["image_id"] in ids],
        }
    )


# ------------------------------------------------------------------------------------------------------- degradation


def _degradation(suite: Suite, rows: Sequence[Row], manifest: Mapping[str, Any]) -> Iterator[Row]:
    """Yield AP_avg, mPC, rPC of every model, and CD, rCD, rCD_pooled within every group."""
    aps = _aps(rows)
    stored = [_stored_aps(group, manifest) for group in suite.groups]
    kinds = dict.fromkeys((row["protocol"], row["task"], row["split"]) for row in rows if row["metric"] == "AP")
    for conditions in suite.condition_groups:
        members = [suite.condition(name) for name in conditions.conditions]
        for dataset in suite.datasets:
            for protocol, task, split in kinds:
                series = (dataset.id, protocol, task, split)
                for model in suite.models:
                    own = own_metrics(curve(aps, (model.id, *series), members))
                    yield from _rows((model.id, *series), conditions.name, own, None)
                for group, kept in zip(suite.groups, stored, strict=True):
                    for id in group.models:
                        found, reference = _compared(aps, group, kept, (id, *series), members)
                        yield from _rows((id, *series), conditions.name, found, reference)


def _compared(
    aps: APs, group: Group, stored: tuple[str, APs] | None, series: Series, members: Sequence[Condition]
) -> tuple[Mapping[str, Value], str | None]:
    """Return a model's CD, rCD and rCD_pooled in its group, and the name of the reference."""
    if group.reference is None:
        return dict.fromkeys(AGAINST_REFERENCE, Value(None, "no reference is declared")), None
    name, theirs = (str(group.reference), aps) if stored is None else stored
    reference = curve(theirs, (name, *series[1:]), members)
    return against_reference(curve(aps, series, members), reference), name


def _rows(series: Series, condition: str, found: Mapping[str, Value], reference: str | None) -> Iterator[Row]:
    names = dict(zip(("model", "dataset", "protocol", "task", "split"), series, strict=True))
    for metric, value in found.items():
        yield {
            **names,
            "reference": reference,
            "condition": condition,
            "metric": metric,
            "value": value.value,
            "reason": value.reason,
        }


APs = Mapping[tuple[str, str, str, str, str, str], Value]
"""AP by model, data set, protocol, task, split and condition."""


def _aps(rows: Sequence[Row]) -> APs:
    keys = ("model", "dataset", "protocol", "task", "split", "condition")
    return {
        tuple(row[key] for key in keys): Value(row["value"], row["reason"])
        for row in rows
        if row["metric"] == "AP" and row["category"] is None
    }


def curve(aps: APs, series: Series, members: Sequence[Condition]) -> Curve:
    """Return the APs of a model over conditions, or what is missing."""
    nothing = Value(None, "not run")
    corrupted: dict[str, list[float]] = {}
    missing: list[str] = []
    first = ""
    for condition in members:
        found = aps.get((*series, condition.name), nothing)
        if found.value is None:
            missing.append(condition.name)
            first = first or str(found.reason)
        else:
            corrupted.setdefault(str(condition.corruption), []).append(found.value)
    clean = aps.get((*series, CLEAN.name), Value(None, "`clean` is not among the conditions"))
    reason = None
    if missing:
        reason = f"{len(missing)} of {len(members)} conditions are missing, first {missing[0]}: {first}"
    return Curve(corrupted, clean.value, clean.reason, reason)


def _stored_aps(group: Group, manifest: Mapping[str, Any]) -> tuple[str, APs] | None:
    """Return the name and APs of a stored reference; None if the group's reference is one of its models."""
    if not isinstance(group.reference, StoredReference):
        return None
    content = read_results(Path(group.reference.results))
    check_stored_reference(group.reference, content, manifest["protocol"])
    name = group.reference.model or next(iter(models_of(content)))
    return name, _aps(content.to_pylist())


def models_of(content: pa.Table) -> list[str]:
    """Return the models of a results table, in order."""
    return list(dict.fromkeys(content.column("model").to_pylist()))


def check_stored_reference(reference: StoredReference, content: pa.Table, protocol: str) -> None:
    """Raise UsageError if stored results cannot serve as the reference of a run with that protocol id."""
    models = models_of(content)
    if reference.model is None and len(models) != 1:
        raise UsageError(f"{reference.results}: has several models ({', '.join(models)}); say which with `model:`")
    if reference.model is not None and reference.model not in models:
        raise UsageError(f"{reference.results}: has no model `{reference.model}` (known: {', '.join(models)})")
    theirs = manifest_of(content, reference.results)["protocol"]
    if theirs != protocol:
        raise UsageError(
            f"{reference.results}: was made under protocol {theirs[:8]}, this run under {protocol[:8]}: "
            "data, conditions, seed or scoring differ, so CD and rCD against it would mean nothing"
        )
