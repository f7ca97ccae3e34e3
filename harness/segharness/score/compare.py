"""Compares two models' results: paired differences with intervals, and a verdict for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from segharness.errors import UsageError, coded, nearest
from segharness.identity import differences, stored_run
from segharness.plugin.metric_specs import AVERAGE, CD, FRACTION, MPC, RCD, RCD_POOLED, EvaluationMetrics, Metric
from segharness.score.bootstrap import Interval, interval
from segharness.score.degradation_rows import AveragedSet, sets
from segharness.score.stored_reference import models_of
from segharness.store import manifest_of, read_results, store_path
from segharness.store.folder import mapping_in
from segharness.store.resamples import KEY_COLUMNS, Samples, read_resamples, resamples_key
from segharness.suite.recorded_metrics import recorded_metrics
from segharness.suite.suite import AS_PUBLISHED

COMPARED_KINDS = (AVERAGE, MPC, CD, RCD, RCD_POOLED)
"""Of the numbers over sets of conditions, those that are compared."""

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"
DIFFERENT = "different"
"""The verdict on a metric of which neither direction is better."""

NO_INTERVAL = Interval()


@dataclass(frozen=True)
class Side:
    """One of the two compared models, with its stored results.

    Attributes:
        model: the model's id.
        shown: the name that tells it from the other model.
        rows: its results over whole splits, by their values of `segharness.store.resamples.KEY_COLUMNS` without the model.
        samples: the values of those results on the resamples, by the same keys.
        references: a digest of the values of every reference, by the reference's name and the metric.
        sets: what averages are taken over, by data set and condition as results name them.
        metrics: the metrics of every evaluation, by its id.
        resolutions: the size at which it was given images, by data set: ``"model"`` or ``"original"``.
    """

    model: str
    shown: str
    rows: Mapping[tuple[Any, ...], Mapping[str, Any]]
    samples: Mapping[tuple[Any, ...], Samples]
    references: Mapping[tuple[str, str], str]
    sets: Mapping[tuple[str, str], AveragedSet]
    metrics: Mapping[str, EvaluationMetrics]
    resolutions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The second model's value minus the first one's, in the metric's unit.

    Attributes:
        dataset, condition, evaluation, task, split, metric: identify the compared values.
        values: the values of the first and the second model; None for a model without one.
        difference: None if a value is missing or the two are not comparable.
        interval: the confidence interval of the difference.
        verdict: on the second model: better, worse, not distinguishable, or different if neither direction of the
            metric is better; None without an interval.
        reason: why there is no difference or no interval; otherwise None.
        part: whether the condition is a part of a larger set of conditions that results hold, too.
        unit: of the metric.
        kind: what is derived from the metric, a key of `DERIVED`; None for a number of a single cell.
        better: which values of the metric are better: ``"larger"``, ``"smaller"`` or ``"neither"``.
    """

    dataset: str
    condition: str
    evaluation: str
    task: str
    split: str
    metric: str
    values: tuple[float | None, float | None]
    difference: float | None = None
    interval: Interval = NO_INTERVAL
    verdict: str | None = None
    reason: str | None = None
    part: bool = False
    unit: str = FRACTION
    kind: str | None = None
    better: str = "larger"


def model_pairs(names: Sequence[str], whole: bool = False) -> list[tuple[Side, Side]]:
    """Return the pairs of models to compare, from one or two names of the form ``RUN[::MODEL]``.

    One name stands for a run with two models. Of two names, each stands for a model or a run; two runs are compared
    model by model, for all models that both have; with `whole`, the second run must have every model of the first.

    Raises:
        UsageError: there is no such run or model, or the two cannot be compared.
    """
    opened = [_StoredResults(name) for name in names]
    if len(opened) == 1:
        if opened[0].model is not None or len(opened[0].models) != 2:
            known = ", ".join(opened[0].models)
            raise UsageError(f"{names[0]}: name two models: {opened[0].path}::A {opened[0].path}::B (known: {known})")
        return [(opened[0].side(opened[0].models[0]), opened[0].side(opened[0].models[1]))]
    first, second = opened
    _check_comparable(first, second)
    lacking = [model for model in first.models if model not in second.models]
    if whole and first.model is None and second.model is None and lacking:
        raise UsageError(f"{second.path} has no results of `{lacking[0]}`, which {first.path} has")
    pairs = [(first.model or model, second.model or model) for model in _shared_models(first, second)]
    identical = [a for a, b in pairs if a == b and first.file.resolve() == second.file.resolve()]
    if identical:
        raise UsageError(f"{first.path}::{identical[0]} is compared with itself")
    with_path = len(pairs) > 1 or any(a == b for a, b in pairs)
    return [(first.side(a, with_path), second.side(b, with_path)) for a, b in pairs]


def compare(first: Side, second: Side) -> Iterator[Difference]:
    """Yield the differences of the two models, over all categories and over every split.

    Compared are the first metric of every evaluation, those that are columns or have degradation, and what is derived
    from these. Timings are not compared.
    """
    for key, row in second.rows.items():
        first_row = first.rows.get(key)
        metrics = second.metrics.get(row["evaluation"])
        if first_row is None or metrics is None or row["device"] is not None:
            continue
        origin = metrics.origin_of(row["metric"])
        kind = origin[1] if origin else None
        if not (kind in COMPARED_KINDS if kind else _is_compared(metrics, row["metric"])):
            continue
        averaged = second.sets.get((row["dataset"], row["condition"]))
        metric = metrics.get(row["metric"])
        difference = _difference(metric, first_row, row, first.samples.get(key), second.samples.get(key))
        reason = _incomparable(row, origin[0], averaged, first, second) if origin else None
        if (before := first.metrics.get(row["evaluation"])) is not None and before.get(
            row["metric"]
        ).unit != metric.unit:
            reason = f"its unit is {before.get(row['metric']).unit} in the first run, {metric.unit} in the second"
        sizes = [side.resolutions.get(row["dataset"], AS_PUBLISHED) for side in (first, second)]
        if sizes[0] != sizes[1]:
            reason = f"the images were given at `resolution: {sizes[0]}` to the first, at `{sizes[1]}` to the second"
        if reason:
            difference = replace(difference, difference=None, interval=NO_INTERVAL, verdict=None, reason=reason)
        yield replace(difference, part=averaged is not None and averaged.part, kind=kind)


def _is_compared(metrics: EvaluationMetrics, name: str) -> bool:
    metric = metrics.get(name)
    return bool(metrics.declared) and (name == metrics.primary or metric.degradation or metric.column is not None)


def _incomparable(
    row: Mapping[str, Any], metric: str, averaged: AveragedSet | None, first: Side, second: Side
) -> str | None:
    """Return why two values over a set of conditions are not comparable, or None if they are."""
    if averaged != first.sets.get((row["dataset"], row["condition"])):
        return f"`{row['condition']}` are other conditions in the two runs"
    reference = row["reference"]
    key = (str(reference), metric)
    if reference is not None and first.references.get(key) != second.references.get(key):
        return f"the reference `{reference}` has other {metric}s in the two runs"
    return None


def _difference(
    metric: Metric,
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    first_samples: Samples | None,
    second_samples: Samples | None,
) -> Difference:
    """Return the difference of two rows of results, with its interval if both have resamples."""
    values = (first["value"], second["value"])
    dataset, condition, evaluation = (str(second[name]) for name in ("dataset", "condition", "evaluation"))
    blank = Difference(
        dataset,
        condition,
        evaluation,
        second["task"],
        second["split"],
        metric.name,
        values,
        unit=metric.unit,
        better=metric.better,
    )
    if values[0] is None or values[1] is None:
        return replace(blank, reason=first["reason"] if values[0] is None else second["reason"])
    difference = float(values[1] - values[0])
    if first_samples is None or second_samples is None:
        no_interval = f"no interval: {blank.metric} has no resamples, or one of the two was scored without"
        return replace(blank, difference=difference, reason=no_interval)
    if first_samples.shape != second_samples.shape:
        return replace(blank, difference=difference, reason="no interval: the two have other numbers of resamples")
    bounds = interval(difference, second_samples - first_samples)
    if bounds.low is None or bounds.high is None:
        return replace(blank, difference=difference, reason=bounds.reason)
    sign = -1 if metric.better == "smaller" else 1
    low, high = sorted((sign * bounds.low, sign * bounds.high))
    verdict = BETTER if low > 0 else WORSE if high < 0 else SAME
    if metric.better == "neither" and verdict != SAME:
        verdict = DIFFERENT
    return replace(blank, difference=difference, interval=bounds, verdict=verdict)


# --------------------------------------------------------------------------------------------------------- reading


class _StoredResults:
    """The stored results that a name on the command line, ``RUN[::MODEL]``, stands for."""

    def __init__(self, name: str) -> None:
        path, _, model = name.partition("::")
        self.path, self.model = store_path(path), model or None
        self.file = self.path / "results.arrow" if self.path.is_dir() else self.path
        self.content: pa.Table = read_results(self.path)
        self.models = models_of(self.content)
        self.manifest = manifest_of(self.content, self.file)
        self.run = stored_run(self.manifest, self.file)
        self.key = resamples_key(self.file)
        if self.model is not None and self.model not in self.models:
            raise UsageError(f"{name}: no model `{self.model}`{nearest(self.model, self.models)}")
        self._references = {(name, "AP"): value for name, value in mapping_in(self.manifest, "references").items()}
        for name, by_metric in mapping_in(self.manifest, "other_references").items():
            if isinstance(by_metric, Mapping):
                self._references |= {(name, metric): value for metric, value in by_metric.items()}
        self._sets = {(averaged.dataset, averaged.condition): averaged for averaged in sets(self.run.suite)}
        self._metrics = recorded_metrics(self.manifest, self.file)
        self._rows = [row for row in self.content.to_pylist() if row["category"] is None]
        self._samples = read_resamples(self.file, self.content)

    def side(self, model: str, with_path: bool = False) -> Side:
        """Return one of the models. Values against different references have different keys."""
        rows = {self._key(row): row for row in self._rows if row["model"] == model}
        samples = {
            self._key(dict(zip(KEY_COLUMNS, names, strict=True))): values
            for names, values in self._samples.items()
            if names[0] == model
        }
        shown = f"{self.path}::{model}" if with_path else model
        inputs = self.run.inputs.models.get(model, {})
        resolutions = {dataset: str(of_it.get("resolution", AS_PUBLISHED)) for dataset, of_it in inputs.items()}
        return Side(model, shown, rows, samples, self._references, self._sets, self._metrics, resolutions)

    @staticmethod
    def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in KEY_COLUMNS if name != "model")


def _check_comparable(first: _StoredResults, second: _StoredResults) -> None:
    """Raise UsageError if two stored results cannot be compared."""
    first_id, second_id = first.manifest["protocol"], second.manifest["protocol"]
    if first_id != second_id:
        changed = differences(first.run.protocol, second.run.protocol)
        raise UsageError(
            coded(
                "T18",
                f"{first.path} was made under protocol {first_id[:8]}, {second.path} under {second_id[:8]}, so their "
                f"numbers cannot be compared: {'; '.join(changed)}",
            )
        )
    if first.key is not None and second.key is not None and first.key != second.key:
        raise UsageError(
            f"{first.path} and {second.path} were scored on different resamples; "
            "`segharness score` both with one --bootstrap"
        )


def _shared_models(first: _StoredResults, second: _StoredResults) -> list[str]:
    """Return the models to compare if not both are named: those that both runs have."""
    if first.model is not None and second.model is not None:
        return [first.model]
    candidates = [first.model] if first.model else [second.model] if second.model else first.models
    shared = [model for model in candidates if model in first.models and model in second.models]
    if not shared:
        raise UsageError(
            f"{first.path} ({', '.join(first.models)}) and {second.path} ({', '.join(second.models)}) have no model in "
            "common; name one of each, RUN::MODEL"
        )
    return [str(model) for model in shared]
