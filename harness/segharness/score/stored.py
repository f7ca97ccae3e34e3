"""A reference that was run before: its numbers, and their resamples where the run folder still has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from segharness.digests import digest
from segharness.errors import UsageError
from segharness.identity import Inputs, differences, protocol_inputs
from segharness.store import manifest_of, read_results, store_path
from segharness.store.resamples import NAMES, read_resamples
from segharness.suite import StoredReference, Suite


@dataclass(frozen=True)
class StoredNumbers:
    """The rows of one stored model; ``samples`` stand in them where the resamples are those of `key`."""

    model: str
    rows: list[dict[str, Any]]


def read_stored(reference: StoredReference, protocol: Mapping[str, Any], key: str | None) -> StoredNumbers:
    """Return a stored reference.

    Args:
        reference: which file and model.
        protocol: of the run that is compared with it.
        key: which resamples the run was scored on; None without.

    Raises:
        UsageError: it cannot serve as the reference of that run.
    """
    content = read_results(reference.results)
    check_stored_reference(reference, content, protocol)
    name = reference.model or models_of(content)[0]
    rows = [row for row in content.to_pylist() if row["model"] == name]
    samples = read_resamples(store_path(reference.results), content, key) if key is not None else {}
    for row in rows:
        named = tuple(row[name] for name in NAMES)
        row["samples"] = samples.get(named) if row["category"] is None else None
    return StoredNumbers(name, rows)


def reference_aps(rows: Sequence[Mapping[str, Any]], model: str) -> list[list[Any]]:
    """Return what CD and rCD take of a reference: its AP in every cell. Those of one digest are one reference."""
    keys = ("dataset", "condition", "evaluation", "task", "split", "value")
    return sorted(
        ([row[key] for key in keys] for row in rows if is_ap(row) and row["model"] == model),
        key=lambda found: found[:5],
    )


def is_ap(row: Mapping[str, Any]) -> bool:
    """Return whether a row of results is the AP of a cell over a whole split."""
    return row["metric"] == "AP" and row["category"] is None


def models_of(content: pa.Table) -> list[str]:
    """Return the models of a results table, in order."""
    return list(dict.fromkeys(content.column("model").to_pylist()))


def check_stored_reference(reference: StoredReference, content: pa.Table, protocol: Mapping[str, Any]) -> None:
    """Raise UsageError if stored results cannot serve as the reference of a run under that protocol (`protocol_of`)."""
    models = models_of(content)
    if reference.model is None and len(models) != 1:
        raise UsageError(f"{reference.results}: has several models ({', '.join(models)}); say which with `model:`")
    if reference.model is not None and reference.model not in models:
        raise UsageError(f"{reference.results}: has no model `{reference.model}` (known: {', '.join(models)})")
    manifest = manifest_of(content, reference.results)
    theirs, ours = manifest["protocol"], digest(protocol)
    if theirs != ours:
        raise UsageError(
            f"{reference.results}: was made under protocol {theirs[:8]}, this run under {ours[:8]}, so CD and rCD against "
            f"it would mean nothing: {'; '.join(differences(protocol_of(manifest), protocol))}"
        )


def protocol_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes the protocol id of a run: data, conditions, seed and scoring."""
    inputs = protocol_inputs(Suite.from_json(manifest["suite"]), Inputs(**manifest["inputs"]))
    found: dict[str, Any] = json.loads(json.dumps(inputs))
    return found
