"""Averages and degradation of a run's cells, over sets of conditions and over shifts between data sets.

They are derived from every metric that declares `degradation`. In this module AP stands for the value of any of them.

A set of conditions is averaged as a whole (``paper15``), by category of corruption (``paper15/blur``) and by severity
(``paper15/severity-3``); a part needs several corruptions. A shift takes one data set as clean, and other data sets in
the place of corruptions. CD and rCD are means of ratios, one for each corruption; results name the condition of a ratio
by the set and the corruption (``paper15/fog``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.plugin.metric_specs import CD_RATIO, RCD_RATIO, EvaluationMetrics, derived_name
from segharness.plugin.specs import slug
from segharness.records import CLEAN, Condition
from segharness.score.degradation import (
    AGAINST_REFERENCE,
    AP,
    Curve,
    Value,
    against_reference,
    own_metrics,
    ratios,
)
from segharness.score.stored_reference import StoredReferenceRows, is_degradable
from segharness.suite import ConditionGroup, Suite

Row = dict[str, Any]
CurveKey = tuple[str, str, str, str]
"""Evaluation, task, split and metric. A curve has one kind, one model and one data set (or shift)."""
Key = tuple[str, str, str, str, str, str, str]
"""The key of an AP: model, data set, evaluation, task, split, metric and condition."""
APs = Mapping[Key, tuple[AP | None, str | None]]
"""Every AP, or None with the reason."""


@dataclass(frozen=True)
class CurvePoint:
    """One AP of a curve: its data set and condition, and the corruption that it counts for."""

    dataset: str
    condition: str
    corruption: str


@dataclass(frozen=True)
class AveragedSet:
    """A set of APs to average: conditions on one data set, or data sets of a shift.

    Attributes:
        dataset, condition: the set's name in results.
        clean: the point without corruption.
        members: the points to average.
        part: whether it is a part of a larger set that is averaged, too.
    """

    dataset: str
    condition: str
    clean: CurvePoint
    members: tuple[CurvePoint, ...]
    part: bool = False


def degradation_rows(
    suite: Suite,
    metrics: Mapping[str, EvaluationMetrics],
    rows: Sequence[Row],
    stored: Mapping[str, StoredReferenceRows],
) -> Iterator[Row]:
    """Yield AP_avg, mPC, rPC of every model, and CD, rCD, rCD_pooled and their ratios within every group.

    Args:
        suite: the suite that was run.
        metrics: the metrics of every evaluation, by its id.
        rows: the rows of every cell; they may have ``samples``, the value on every resample.
        stored: the stored references, by the name of the group.
    """
    aps = aps_of(rows, metrics)
    sampled = any(isinstance(ap, np.ndarray) for ap, _ in aps.values())
    stored_aps = {name: aps_of(numbers.rows, metrics) for name, numbers in stored.items()}
    kinds = dict.fromkeys((key[2], key[3], key[4], key[5]) for key in aps)
    scored = {(key[1], key[2:6]) for key in aps}
    for averaged in sets(suite):
        for kind in kinds:
            if not all((point.dataset, kind) in scored for point in (averaged.clean, *averaged.members)):
                continue  # the evaluation does not cover all of these data sets
            for model in suite.models:
                values = own_metrics(curve(aps, model.id, kind, averaged))
                yield from _rows(model.id, kind, averaged, values, None)
            for group in suite.groups:
                for id in group.models:
                    reference = _Reference(aps, str(group.reference)) if group.reference is not None else None
                    if group.name in stored:
                        reference = _Reference(stored_aps[group.name], stored[group.name].model)
                    for row in _reference_rows(aps, reference, id, kind, averaged):
                        yield _explain_missing_interval(row) if sampled else row


def sets(suite: Suite) -> Iterator[AveragedSet]:
    """Yield every set to average: the sets of conditions and their parts on every data set, then the shifts."""
    for group in suite.condition_groups:
        parts = list(_parts(group, [suite.condition(name) for name in group.conditions]))
        for dataset in suite.datasets:
            for name, members in parts:
                points = tuple(CurvePoint(dataset.id, c.name, str(c.corruption)) for c in members)
                yield AveragedSet(dataset.id, name, CurvePoint(dataset.id, CLEAN.name, ""), points, name != group.name)
    for shift in suite.shifts:
        points = tuple(CurvePoint(id, CLEAN.name, id) for id in shift.datasets)
        yield AveragedSet(shift.name, CLEAN.name, CurvePoint(shift.clean, CLEAN.name, ""), points)


def _parts(group: ConditionGroup, members: Sequence[Condition]) -> Iterator[tuple[str, Sequence[Condition]]]:
    """Yield name and conditions of a group as a whole, and of its parts that have several corruptions."""
    yield group.name, members
    by_category = [
        (f"{group.name}/{category}", [c for c in members if c.category == category])
        for category in dict.fromkeys(c.category for c in members if c.category)
    ]
    by_severity = [
        (f"{group.name}/severity-{severity}", [c for c in members if c.severity == severity])
        for severity in dict.fromkeys(c.severity for c in members)
    ]
    for name, conditions in (*by_category, *by_severity):
        if len(conditions) < len(members) and len({c.corruption for c in conditions}) > 1:
            yield name, conditions


@dataclass(frozen=True)
class _Reference:
    """A reference model, and the APs that include its own."""

    aps: APs
    model: str


def _reference_rows(
    aps: APs, reference: _Reference | None, model: str, kind: CurveKey, averaged: AveragedSet
) -> Iterator[Row]:
    """Yield a model's CD, rCD and rCD_pooled against its group's reference, and the ratios that CD and rCD average."""
    if reference is None:
        undefined = dict.fromkeys(AGAINST_REFERENCE, Value(None, "no reference is declared"))
        yield from _rows(model, kind, averaged, undefined, None)
        return
    reference_curve = curve(reference.aps, reference.model, kind, averaged)
    model_curve = curve(aps, model, kind, averaged)
    yield from _rows(model, kind, averaged, against_reference(model_curve, reference_curve), reference.model)
    model_ratios = ratios(model_curve, reference_curve)
    for ratio, values in ((CD_RATIO, model_ratios.cd), (RCD_RATIO, model_ratios.rcd)):
        for corruption, value in values.items():
            ratio_set = replace(averaged, condition=f"{averaged.condition}/{slug(corruption)}")
            yield from _rows(model, kind, ratio_set, {ratio: value}, reference.model)


def _explain_missing_interval(row: Row) -> Row:
    """Return the row; if it has a value but no resamples, its reason says that the reference was stored without."""
    no_interval = row["value"] is not None and row["samples"] is None
    return {**row, "reason": "no interval: the reference was stored without these resamples"} if no_interval else row


def _rows(
    model: str, kind: CurveKey, averaged: AveragedSet, values: Mapping[str, Value], reference: str | None
) -> Iterator[Row]:
    evaluation, task, split, metric = kind
    for derived, value in values.items():
        yield {
            "model": model,
            "dataset": averaged.dataset,
            "evaluation": evaluation,
            "task": task,
            "split": split,
            "reference": reference,
            "condition": averaged.condition,
            "metric": derived_name(metric, derived),
            "value": value.value,
            "reason": value.reason,
            "samples": value.samples,
        }


def aps_of(rows: Sequence[Row], metrics: Mapping[str, EvaluationMetrics]) -> APs:
    """Return the APs over whole splits among rows of results, with values on the resamples if the rows have them."""
    keys = ("model", "dataset", "evaluation", "task", "split", "metric", "condition")
    return {
        tuple(row[key] for key in keys): (_with_samples(row["value"], row.get("samples")), row["reason"])
        for row in rows
        if is_degradable(row, metrics)
    }


def _with_samples(value: float | None, samples: npt.NDArray[np.float64] | None) -> AP | None:
    if value is None or samples is None:
        return value
    return np.concatenate([[value], samples])


def curve(aps: APs, model: str, kind: CurveKey, over: AveragedSet) -> Curve:
    """Return the APs of a model over a set; ``missing`` of the curve says which are missing."""
    corrupted: dict[str, list[AP]] = {}
    missing: list[str] = []
    first_reason = ""

    def ap_at(point: CurvePoint, absent: str) -> tuple[AP | None, str | None]:
        return aps.get((model, point.dataset, *kind, point.condition), (None, absent))

    for point in over.members:
        ap, reason = ap_at(point, "not run")
        if ap is None:
            missing.append(point.condition if point.dataset == over.dataset else point.dataset)
            first_reason = first_reason or str(reason)
        else:
            corrupted.setdefault(point.corruption, []).append(ap)
    clean, clean_reason = ap_at(over.clean, "`clean` is not among the conditions")
    reason = None
    if missing:
        unit = "conditions" if over.dataset == over.clean.dataset else "data sets"
        reason = f"{len(missing)} of {len(over.members)} {unit} are missing, first {missing[0]}: {first_reason}"
    return Curve(corrupted, clean, clean_reason, reason)
