"""The APs of a run -> rows of AP_avg, mPC, rPC, CD, rCD and rCD_pooled, against the group's reference, run or stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.errors import UsageError
from segharness.records import CLEAN, Condition
from segharness.score.degradation import AGAINST_REFERENCE, Curve, Value, against_reference, own_metrics
from segharness.store import manifest_of, read_results
from segharness.suite import Group, StoredReference, Suite

Row = dict[str, Any]
Series = tuple[str, str, str, str, str]
"""What a curve is of: model, data set, protocol, task and split."""


def degradation_rows(suite: Suite, rows: Sequence[Row], manifest: Mapping[str, Any]) -> Iterator[Row]:
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
