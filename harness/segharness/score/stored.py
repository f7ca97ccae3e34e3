"""A reference that was run before: its numbers, and their resamples where the run folder still has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.errors import UsageError
from segharness.store import manifest_of, read_results
from segharness.store.samples import NAMES, read_samples
from segharness.suite import StoredReference


@dataclass(frozen=True)
class StoredNumbers:
    """The rows of one stored model; ``samples`` stand in them where the resamples are those of `key`."""

    model: str
    rows: list[dict[str, Any]]


def read_stored(reference: StoredReference, protocol: str, key: str | None) -> StoredNumbers:
    """Return a stored reference.

    Args:
        reference: which file and model.
        protocol: of the run that is compared with it.
        key: which resamples the run was scored on; None without.

    Raises:
        UsageError: it cannot serve as the reference of that run.
    """
    content = read_results(Path(reference.results))
    check_stored_reference(reference, content, protocol)
    name = reference.model or models_of(content)[0]
    rows = [row for row in content.to_pylist() if row["model"] == name]
    samples = read_samples(Path(reference.results), content, key) if key is not None else {}
    for row in rows:
        named = tuple(row[name] for name in NAMES)
        row["samples"] = samples.get(named) if row["category"] is None else None
    return StoredNumbers(name, rows)


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
