"""Stored references: results of an earlier run that serve as the reference model of CD and rCD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segharness.digests import digest
from segharness.errors import UsageError, coded
from segharness.identity import differences, stored_run
from segharness.plugin.metric_specs import EvaluationMetrics
from segharness.records import CLEAN
from segharness.store import manifest_of, read_results, store_path
from segharness.store.resamples import KEY_COLUMNS, read_resamples
from segharness.suite import StoredReference


@dataclass(frozen=True)
class StoredReferenceRows:
    """One model of stored results.

    Attributes:
        model: the model's id.
        rows: its rows; ``samples`` of a row are its values on the resamples, or None if it has none on the same draws.
    """

    model: str
    rows: list[dict[str, Any]]


def read_stored(reference: StoredReference, protocol: Mapping[str, Any], key: str | None) -> StoredReferenceRows:
    """Return a stored reference.

    Args:
        reference: the results file and the model in it.
        protocol: the protocol of the run to be compared with the reference, as `protocol_of` returns it.
        key: identifies the resamples that the run was scored on; None if it was scored without.

    Raises:
        UsageError: the stored results cannot serve as the reference of that run.
    """
    content = read_results(reference.results)
    check_stored_reference(reference, content, protocol)
    name = reference.model or models_of(content)[0]
    rows = [row for row in content.to_pylist() if row["model"] == name]
    samples = read_resamples(store_path(reference.results), content, key) if key is not None else {}
    for row in rows:
        row_key = tuple(row[name] for name in KEY_COLUMNS)
        row["samples"] = samples.get(row_key) if row["category"] is None else None
    return StoredReferenceRows(name, rows)


def reference_values(
    rows: Sequence[Mapping[str, Any]], model: str, metrics: Mapping[str, EvaluationMetrics]
) -> dict[str, list[list[Any]]]:
    """Return the values of a reference in every cell, sorted, by metric. CD and rCD of a metric use nothing else of it.

    Two references whose values of a metric have the same digest are the same reference to that metric.
    """
    keys = ("dataset", "condition", "evaluation", "task", "split", "value")
    values: dict[str, list[list[Any]]] = {}
    for row in rows:
        if row["model"] == model and is_degradable(row, metrics):
            values.setdefault(row["metric"], []).append([row[key] for key in keys])
    return {metric: sorted(cells, key=lambda cell: cell[:5]) for metric, cells in values.items()}


def clean_values(stored: StoredReferenceRows, metrics: Mapping[str, EvaluationMetrics]) -> list[list[Any]]:
    """Return the clean values of a stored reference: model, data set, evaluation, task, split, metric, value."""
    keys = ("model", "dataset", "evaluation", "task", "split", "metric", "value")
    return [
        [row[key] for key in keys]
        for row in stored.rows
        if row["condition"] == CLEAN.name and is_degradable(row, metrics)
    ]


def numbers_digest(content: pa.Table, model: str | None) -> str:
    """Return a digest of a model's numbers over whole splits, to 12 digits; it does not depend on intervals.

    Args:
        content: a results table.
        model: its id; None for the first.
    """
    keys = ("dataset", "condition", "evaluation", "task", "split", "metric", "value")
    name = model or next(iter(models_of(content)), "")
    of_model = content.filter((pc.field("model") == name) & pc.field("category").is_null())
    rows = zip(*(of_model.column(key).to_pylist() for key in keys), strict=True)
    rounded = [[f"{value:.12g}" if isinstance(value, float) else value for value in row] for row in rows]
    return digest(sorted(rounded, key=lambda row: [str(value) for value in row]))


def is_degradable(row: Mapping[str, Any], metrics: Mapping[str, EvaluationMetrics]) -> bool:
    """Return whether a row of results is of a cell over a whole split, and degradation is derived from its metric."""
    known = metrics.get(row["evaluation"])
    return row.get("category") is None and known is not None and row["metric"] in known.degradable()


def models_of(content: pa.Table) -> list[str]:
    """Return the ids of the models in a results table, in order of appearance."""
    return list(dict.fromkeys(content.column("model").to_pylist()))


def check_stored_reference(reference: StoredReference, content: pa.Table, protocol: Mapping[str, Any]) -> None:
    """Check that stored results can serve as a reference.

    Args:
        reference: the results file and the model in it.
        content: the table of that file.
        protocol: the protocol of the run to be compared with the reference, as `protocol_of` returns it.

    Raises:
        UsageError: the results have no such model, have several models and none is named, or are of another protocol.
    """
    models = models_of(content)
    if reference.model is None and len(models) != 1:
        raise UsageError(f"{reference.results}: has several models ({', '.join(models)}); say which with `model:`")
    if reference.model is not None and reference.model not in models:
        raise UsageError(f"{reference.results}: has no model `{reference.model}` (known: {', '.join(models)})")
    stored = protocol_of(manifest_of(content, reference.results), reference.results)
    stored_id, run_id = digest(stored), digest(protocol)
    if stored_id != run_id:
        raise UsageError(
            coded(
                "T18",
                f"{reference.results}: was made under protocol {stored_id[:8]}, this run under {run_id[:8]}, so CD and "
                f"rCD against it would mean nothing: {'; '.join(differences(stored, protocol))}",
            )
        )


def protocol_of(manifest: Mapping[str, Any], file: object = "the manifest") -> Mapping[str, Any]:
    """Return the inputs of a run's protocol id: data, conditions, seed and scoring.

    Args:
        manifest: of the run.
        file: where it stands, for messages.

    Raises:
        StoreError: the manifest is not that of a run, or its protocol id is not that of its protocol.
    """
    return stored_run(manifest, file).protocol
