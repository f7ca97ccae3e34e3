"""Tables grouped by a fact of the models: the means over the models that share it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from segharness.errors import UsageError, nearest
from segharness.plugin.facts import facts_of
from segharness.report.entry import TableEntry, mean
from segharness.report.layout import ReportTable

UNKNOWN = "not known"
_LISTED = 20


def recorded_facts(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the facts of every model in a results' manifest, which may come from anybody."""
    recorded = manifest.get("facts")
    models = recorded.items() if isinstance(recorded, Mapping) else ()
    return {str(model): facts_of(facts) for model, facts in models if isinstance(facts, Mapping)}


def check_fact(name: str, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UsageError if no model has a fact of that name."""
    known = sorted({key for of_model in facts.values() for key in of_model})
    if name not in known:
        listed = ", ".join(known[:_LISTED]) + (" ..." if len(known) > _LISTED else "")
        raise UsageError(
            f"--by {name}: no model of these results has that fact{nearest(name, known, listed=False)}; they have "
            f"{listed or 'none'}. A suite adds some: `facts: {{{name}: ...}}` of a model"
        )


def grouped(table: ReportTable, name: str, facts: Mapping[str, Mapping[str, Any]]) -> ReportTable | None:
    """Return the means of a table of models over those that share a fact; None for other tables.

    Args:
        table: rows are models.
        name: of the fact.
        facts: by model.
    """
    if table.row_heading != "model" or not table.rows:
        return None
    members: dict[str, list[tuple[TableEntry, ...]]] = {}
    models: dict[str, list[str]] = {}
    for model, entries in table.rows:
        value = str(facts.get(model, {}).get(name, UNKNOWN))
        members.setdefault(value, []).append(entries)
        models.setdefault(value, []).append(model)
    rows = tuple((value, tuple(_means(of_value))) for value, of_value in members.items())
    notes = (f"means over the models that share it: {_members(models)}", *_gaps(rows, table))
    return ReportTable(f"by {name}: {table.title}", table.columns, rows, notes, table.legend[:1], name)


def _means(rows: Sequence[tuple[TableEntry, ...]]) -> Iterator[TableEntry]:
    """Yield the mean of every column. It has no interval: the models saw the same images."""
    for entries in zip(*rows, strict=True):
        found = mean(entries)
        number = found.number
        yield found if len(entries) == 1 else TableEntry(number, found.reason, unit=found.unit, ranked=False)


def _gaps(rows: Collection[tuple[str, tuple[TableEntry, ...]]], table: ReportTable) -> Iterator[str]:
    """Yield which columns of which rows have no mean, because one of the models has no number there."""
    for value, entries in rows:
        lacking = [column.heading for column, e in zip(table.columns, entries, strict=True) if e.number is None]
        if lacking:
            yield f"{value}: {', '.join(lacking)}: not all of its models have a number"


def _members(models: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{value}: {', '.join(of_value)}" for value, of_value in models.items())
