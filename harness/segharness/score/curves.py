"""The APs of a run -> averages and degradation, over sets of conditions and over shifts between data sets.

A set of conditions is looked at as a whole (``paper15``), by category of corruption (``paper15/blur``) and by severity
(``paper15/severity-3``), where those have several corruptions. A shift takes one data set as clean and others as what
corruptions are elsewhere. The ratios that CD and rCD are means of stand under the set and the corruption (``paper15/fog``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

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
from segharness.score.stored import StoredNumbers, is_ap
from segharness.suite import ConditionGroup, Suite

Row = dict[str, Any]
Kind = tuple[str, str, str]
"""What a curve is of, beside model and data set: evaluation, task and split."""
Key = tuple[str, str, str, str, str, str]
"""Of an AP: model, data set, evaluation, task, split and condition."""
APs = Mapping[Key, tuple[AP | None, str | None]]


@dataclass(frozen=True)
class CurvePoint:
    """Where one AP of a curve stands: which data set under which condition, and what it counts as."""

    dataset: str
    condition: str
    corruption: str


@dataclass(frozen=True)
class AveragedSet:
    """What a curve runs over.

    Attributes:
        dataset, condition: its name in results.
        clean, members: the point of clean, and those of the i.
        part: whether it is a part of a set that stands beside it.
    """

    dataset: str
    condition: str
    clean: CurvePoint
    members: tuple[CurvePoint, ...]
    part: bool = False


def degradation_rows(suite: Suite, rows: Sequence[Row], stored: Mapping[str, StoredNumbers]) -> Iterator[Row]:
    """Yield AP_avg, mPC, rPC of every model, and CD, rCD, rCD_pooled and their ratios within every group.

    Args:
        suite: what was run.
        rows: of every cell; those of AP may have ``samples``, their values on the resamples.
        stored: the stored references, by the name of the group.
    """
    aps = aps_of(rows)
    sampled = any(isinstance(ap, np.ndarray) for ap, _ in aps.values())
    theirs = {name: aps_of(numbers.rows) for name, numbers in stored.items()}
    kinds = dict.fromkeys((key[2], key[3], key[4]) for key in aps)
    scored = {(key[1], key[2:5]) for key in aps}
    for over in sets(suite):
        for kind in kinds:
            if not all((point.dataset, kind) in scored for point in (over.clean, *over.members)):
                continue  # an evaluation that is for some of these data sets, or none
            for model in suite.models:
                own = own_metrics(curve(aps, model.id, kind, over))
                yield from _rows(model.id, kind, over, own, None)
            for group in suite.groups:
                for id in group.models:
                    reference = _Reference(aps, str(group.reference)) if group.reference is not None else None
                    if group.name in stored:
                        reference = _Reference(theirs[group.name], stored[group.name].model)
                    for row in _against(aps, reference, id, kind, over):
                        yield _explained(row) if sampled else row


def sets(suite: Suite) -> Iterator[AveragedSet]:
    """Yield all that averages are taken over: sets of conditions on every data set, and shifts."""
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
    """Yield a group as a whole, and those of its parts that have several corruptions."""
    yield group.name, members
    by_category = [
        (f"{group.name}/{category}", [c for c in members if c.category == category])
        for category in dict.fromkeys(c.category for c in members if c.category)
    ]
    by_severity = [
        (f"{group.name}/severity-{severity}", [c for c in members if c.severity == severity])
        for severity in dict.fromkeys(c.severity for c in members)
    ]
    for name, found in (*by_category, *by_severity):
        if len(found) < len(members) and len({c.corruption for c in found}) > 1:
            yield name, found


@dataclass(frozen=True)
class _Reference:
    """A reference: its name, and the APs that it is found in."""

    aps: APs
    model: str


def _against(aps: APs, reference: _Reference | None, model: str, kind: Kind, over: AveragedSet) -> Iterator[Row]:
    """Yield a model's CD, rCD and rCD_pooled in its group, and the ratios behind the first two."""
    if reference is None:
        nothing = dict.fromkeys(AGAINST_REFERENCE, Value(None, "no reference is declared"))
        yield from _rows(model, kind, over, nothing, None)
        return
    theirs = curve(reference.aps, reference.model, kind, over)
    own = curve(aps, model, kind, over)
    yield from _rows(model, kind, over, against_reference(own, theirs), reference.model)
    behind = ratios(own, theirs)
    for metric, values in (("CD_ratio", behind.cd), ("rCD_ratio", behind.rcd)):
        for corruption, value in values.items():
            one = replace(over, condition=f"{over.condition}/{slug(corruption)}")
            yield from _rows(model, kind, one, {metric: value}, reference.model)


def _explained(row: Row) -> Row:
    """Return a row of a scoring with resamples; one that lacks them because its reference has none says so."""
    lacking = row["value"] is not None and row["samples"] is None
    return {**row, "reason": "no interval: the reference was stored without these resamples"} if lacking else row


def _rows(
    model: str, kind: Kind, over: AveragedSet, found: Mapping[str, Value], reference: str | None
) -> Iterator[Row]:
    evaluation, task, split = kind
    for metric, value in found.items():
        yield {
            "model": model,
            "dataset": over.dataset,
            "evaluation": evaluation,
            "task": task,
            "split": split,
            "reference": reference,
            "condition": over.condition,
            "metric": metric,
            "value": value.value,
            "reason": value.reason,
            "samples": value.samples,
        }


def aps_of(rows: Sequence[Row]) -> APs:
    """Return the APs over whole splits among rows of results; each with its resamples, where the row has some."""
    keys = ("model", "dataset", "evaluation", "task", "split", "condition")
    return {
        tuple(row[key] for key in keys): (_numbers(row["value"], row.get("samples")), row["reason"])
        for row in rows
        if is_ap(row)
    }


def _numbers(value: float | None, samples: npt.NDArray[np.float64] | None) -> AP | None:
    if value is None or samples is None:
        return value
    return np.concatenate([[value], samples])


def curve(aps: APs, model: str, kind: Kind, over: AveragedSet) -> Curve:
    """Return the APs of a model over a set, or what is missing."""
    corrupted: dict[str, list[AP]] = {}
    missing: list[str] = []
    first = ""

    def find(point: CurvePoint, absent: str) -> tuple[AP | None, str | None]:
        return aps.get((model, point.dataset, *kind, point.condition), (None, absent))

    for point in over.members:
        found, reason = find(point, "not run")
        if found is None:
            missing.append(point.condition if point.dataset == over.dataset else point.dataset)
            first = first or str(reason)
        else:
            corrupted.setdefault(point.corruption, []).append(found)
    clean, clean_reason = find(over.clean, "`clean` is not among the conditions")
    reason = None
    if missing:
        what = "conditions" if over.dataset == over.clean.dataset else "data sets"
        reason = f"{len(missing)} of {len(over.members)} {what} are missing, first {missing[0]}: {first}"
    return Curve(corrupted, clean, clean_reason, reason)
