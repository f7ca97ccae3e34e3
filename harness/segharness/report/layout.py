"""Results -> the tables that papers print: clean, mixed, average, CD, rCD, then the corruptions by category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.records import CLEAN, Condition
from segharness.store import manifest_of, read_results
from segharness.suite import OVERALL, ConditionGroup, Group, StoredReference, Suite

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, the group it stands in (``blur``), and whether smaller is better."""

    heading: str
    group: str = ""
    lower_is_better: bool = False


@dataclass(frozen=True)
class Entry:
    """A number in percent, or None with the reason."""

    percent: float | None
    reason: str | None = None


@dataclass(frozen=True)
class PaperTable:
    """One table: a row a model.

    Attributes:
        title: what it is of.
        columns: of the numbers; the model's name comes before them.
        rows: (model, entries).
        notes: reasons for what is missing, each once; the families of corruptions that have a name, with versions.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The results of a run, for a reporter.

    Attributes:
        results: the table as in results.arrow.
        manifest: of the run.
        tables: the results laid out as papers print them.
    """

    results: pa.Table
    manifest: Mapping[str, Any]
    tables: tuple[PaperTable, ...]


def make_report(results: pa.Table) -> Report:
    """Lay out a results table."""
    manifest = manifest_of(results)
    suite = Suite.from_json(manifest["suite"])
    return Report(results, manifest, tuple(_tables(suite, _Numbers(results))))


def read_report(path: Path) -> Report:
    """Lay out a run folder or a results.arrow.

    Raises:
        StoreError: there is no such file, or segharness did not write it.
    """
    return make_report(read_results(path))


class _Numbers:
    """Overall and per-split numbers, by what they are of."""

    def __init__(self, results: pa.Table) -> None:
        self._found: dict[tuple[Any, ...], Entry] = {}
        self.kinds: dict[tuple[str, str, str, str], None] = {}
        for row in results.to_pylist():
            if row["metric"] == "AP" and row["category"] is None:
                self.kinds.setdefault((row["dataset"], row["protocol"], row["task"], row["split"]))
            if row["category"] is None:
                kind = (row["dataset"], row["protocol"], row["task"], row["split"])
                key = (row["model"], *kind, row["condition"], row["metric"], row["reference"])
                value = row["value"]
                self._found[key] = Entry(None if value is None else 100 * value, row["reason"])

    def get(
        self, model: str, kind: tuple[str, ...], condition: str, metric: str, reference: str | None = None
    ) -> Entry:
        return self._found.get((model, *kind, condition, metric, reference), Entry(None, "not scored"))

    def reference(self, model: str, kind: tuple[str, ...], condition: str) -> str | None:
        """Return the name of the reference that a model's CD was computed against."""
        keys = (key for key in self._found if key[:-1] == (model, *kind, condition, "CD"))
        return next((key[-1] for key in keys), None)


def _tables(suite: Suite, numbers: _Numbers) -> Iterator[PaperTable]:
    for kind in numbers.kinds:
        for conditions in suite.condition_groups or (ConditionGroup("", ()),):
            for group in suite.groups:
                yield _table(suite, numbers, kind, conditions, group)


def _table(
    suite: Suite, numbers: _Numbers, kind: tuple[str, str, str, str], conditions: ConditionGroup, group: Group
) -> PaperTable:
    dataset, protocol, task, split = kind
    members = [suite.condition(name) for name in conditions.conditions]
    by_corruption: dict[tuple[str, str], list[str]] = {}
    for member in members:
        by_corruption.setdefault((member.category or "", str(member.corruption)), []).append(member.name)
    ordered = sorted(by_corruption, key=lambda pair: [m.category or "" for m in members].index(pair[0]))
    mixed = [c for c in suite.conditions if c.mixture]
    reference = _reference_name(group, numbers, kind, conditions.name)
    has_clean = any(c.name == CLEAN.name for c in suite.conditions)

    columns = [Column("clean")] if has_clean else []
    columns += [Column("MC" if len(mixed) == 1 else c.name) for c in mixed]
    if members:
        columns += [Column("avg"), *(Column(heading, "", True) for heading in _AGAINST)]
    one_family = len({_family(name) for _, name in ordered}) == 1
    columns += [Column(_short(name, category, one_family), category) for category, name in ordered]

    rows = []
    for model in group.models:
        entries = [numbers.get(model, kind, CLEAN.name, "AP")] if has_clean else []
        entries += [numbers.get(model, kind, c.name, "AP") for c in mixed]
        if members:
            entries.append(numbers.get(model, kind, conditions.name, "AP_avg"))
            entries += [numbers.get(model, kind, conditions.name, name, reference) for name in _AGAINST.values()]
        entries += [_mean([numbers.get(model, kind, c, "AP") for c in by_corruption[pair]]) for pair in ordered]
        rows.append((model, tuple(entries)))
    title = f"{_TASKS.get(task, task)} AP ({protocol}) on {dataset}, percent"
    title += f", {split} categories" if split != OVERALL else ""
    title += f", {group.name}" if len(suite.groups) > 1 else ""
    title += f", {conditions.name}" if len(suite.condition_groups) > 1 else ""
    title += f"; reference {reference}" if reference else ""
    notes = (*_notes(columns, rows), *_families([*members, *mixed]))
    return PaperTable(title, tuple(columns), tuple(rows), notes)


_AGAINST = {"CD": "CD", "rCD": "rCD", "pooled": "rCD_pooled"}
"""Headings of the columns against the reference, and their metrics."""

_TASKS = {"segm": "mask", "bbox": "box"}


def _family(corruption: str) -> str:
    return corruption.rpartition("/")[0]


def _families(conditions: Sequence[Condition]) -> Iterator[str]:
    """Yield a line for every family that is named in corruptions (``family/name``), with its version."""
    found: dict[str, dict[str, None]] = {}
    for condition in conditions:
        family = _family(str(condition.corruption))
        members = [part.rpartition("=")[2] for part in condition.version.split(";")[1:]] if condition.mixture else []
        for version in (members or [condition.version]) if family else ():
            found.setdefault(family, {})[version] = None
    for family, versions in found.items():
        yield f"corruptions of the family {family}, version {', '.join(versions)}"


def _reference_name(group: Group, numbers: _Numbers, kind: tuple[str, ...], condition: str) -> str | None:
    if not isinstance(group.reference, StoredReference):
        return group.reference
    return group.reference.model or numbers.reference(group.models[0], kind, condition)


def _short(corruption: str, category: str, one_family: bool) -> str:
    """Drop what the heading above or the note below says already: ``motion_blur`` under blur is ``motion``."""
    name = corruption.removesuffix(f"_{category}") if category else corruption
    name = name.rpartition("/")[2] if one_family else name
    return name.removesuffix("_compression")


def _mean(entries: Sequence[Entry]) -> Entry:
    """Return the mean over severities; missing if any is."""
    for entry in entries:
        if entry.percent is None:
            return entry
    return Entry(float(np.mean([entry.percent for entry in entries if entry.percent is not None])))


def _notes(columns: Sequence[Column], rows: Sequence[tuple[str, tuple[Entry, ...]]]) -> tuple[str, ...]:
    """Return one line for every reason: which model and columns it empties."""
    found: dict[tuple[str, str], list[str]] = {}
    for model, entries in rows:
        for column, entry in zip(columns, entries, strict=True):
            if entry.percent is None:
                name = f"{column.heading} {column.group}".strip()
                found.setdefault((model, entry.reason or "no reason given"), []).append(name)
    return tuple(f"{model}: {', '.join(headings)}: {reason}" for (model, reason), headings in found.items())
