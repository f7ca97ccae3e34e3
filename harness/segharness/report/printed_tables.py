"""Printed rows beside one's own: in tables of their own under the measured ones, never ranked or averaged with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from segharness.plugin.metric_specs import AVERAGE, CD, RCD
from segharness.plugin.published_specs import PublishedSpec
from segharness.plugin.specs import slug
from segharness.records import CLEAN, Condition
from segharness.report.entry import TableEntry
from segharness.report.layout import Column, ReportTable
from segharness.report.scope import HEADINGS, TableScope, degradation_entries
from segharness.suite import OVERALL

_PRINTED = {"average": AVERAGE, "cd": CD, "rcd": RCD}


@dataclass(frozen=True)
class PrintedRows:
    """The rows of a printed table.

    Attributes:
        spec: the table.
        rows: its numbers, as fractions by column, by the row's name.
    """

    spec: PublishedSpec
    rows: Mapping[str, Mapping[str, float]]


def printed_tables(
    scope: TableScope, printed: Sequence[PrintedRows], images: int, only_fitting: bool
) -> Iterator[ReportTable]:
    """Yield a table of printed rows for every printed table that is about the same task and conditions.

    Args:
        scope: of the measured table.
        printed: the printed tables.
        images: how many images were measured.
        only_fitting: whether to leave out those of another data set, which were not asked for by name.
    """
    if scope.kind[1:2] != ("coco",) or scope.kind[3] != OVERALL or scope.primary.name != "AP":
        return
    for each in printed:
        columns = {column for row in each.rows.values() for column in row}
        shared = [member for member in scope.members if _column(member, columns) is not None]
        fits = each.spec.dataset == scope.suite.dataset(scope.kind[0]).dataset
        if each.spec.task == scope.kind[2] and shared and (fits or not only_fitting):
            yield _table(scope, each, columns, images)


def _table(scope: TableScope, printed: PrintedRows, there: set[str], images: int) -> ReportTable:
    spec, kind = printed.spec, scope.kind
    members = [member for member in scope.members if _column(member, there) is not None]
    mixed = [condition.name for condition in scope.suite.conditions if condition.mixture]
    derived = {name: column for name, column in spec.printed.items() if name in _PRINTED}
    columns = [Column.of(scope.primary, "clean")]
    columns += [Column.of(scope.primary, "MC")] if "mixed" in spec.printed and mixed else []
    columns += [Column.of(scope.primary, HEADINGS[_PRINTED[name]]) for name in derived]
    columns += [Column.of(scope.primary, str(member.corruption).rpartition("/")[2]) for member in members]
    disagreements = list(_disagreements(scope, spec, members, there, images))
    averaged = {str(member.corruption).rpartition("/")[2] for member in members}
    same_set = any(set(names) == averaged for names in spec.sets.values())
    same_reference = scope.reference == _id(spec.reference)
    rows: list[tuple[str, tuple[TableEntry, ...]]] = []
    for name, values in printed.rows.items():
        wanted = [spec.clean, *([spec.printed["mixed"]] if "mixed" in spec.printed and mixed else [])]
        wanted += [*derived.values(), *(str(_column(member, there)) for member in members)]
        numbers = [values.get(column) for column in wanted]
        rows.append((f"{name} (printed)", tuple(map(_entry, numbers))))
        model = next((id for id in scope.group.models if id == _id(name)), None)
        if model is not None and not disagreements:
            own = [scope.numbers.get(model, kind, CLEAN.name, "AP")]
            own += [scope.numbers.get(model, kind, mixed[0], "AP")] if "mixed" in spec.printed and mixed else []
            kinds = [_PRINTED[name] for name in derived]
            derived_entries = degradation_entries(
                scope, scope.primary, kinds, model, scope.conditions.name, scope.reference
            )
            own += [
                entry if same_set and (derived_kind == AVERAGE or same_reference) else TableEntry(None)
                for derived_kind, entry in zip(kinds, derived_entries, strict=True)
            ]
            own += [scope.numbers.get(model, kind, member.name, "AP") for member in members]
            rows.append((f"{model}: measured - printed", tuple(map(_difference, own, numbers))))
    notes = [f"{spec.source}{', ' + spec.where if spec.where else ''}. {spec.protocol}", *disagreements]
    if not disagreements and not same_set:
        notes.append("other conditions are averaged here, so averages, CD and rCD are not compared")
    elif not disagreements and not same_reference:
        notes.append(f"the reference here is {scope.reference}, the printed one {spec.reference}: CD is not compared")
    if disagreements:
        notes.append("the protocols differ, so no differences are shown")
    elif not any("measured" in name for name, _ in rows):
        notes.append("no model here has the id of a printed row, in lower case: no differences are shown")
    return ReportTable(f"printed: {spec.name}", tuple(columns), tuple(rows), tuple(notes), row_heading="row")


def _id(name: str) -> str:
    """Return the id that a model of a suite has if it is a printed row: its name, in lower case."""
    return slug(name.lower().replace(" ", "-"))


def _column(member: Condition, columns: set[str]) -> str | None:
    """Return the printed column of a condition, or None."""
    name = str(member.corruption).rpartition("/")[2]
    return next((column for column in (name, f"{name}-{member.severity}") if column in columns), None)


def _disagreements(
    scope: TableScope, spec: PublishedSpec, members: Sequence[Condition], columns: set[str], images: int
) -> Iterator[str]:
    """Yield how the measured protocol differs from what is known of the printed one."""
    entry = scope.suite.dataset(scope.kind[0])
    if entry.dataset != spec.dataset:
        yield f"measured on {entry.dataset}, printed on {spec.dataset or 'other data'}"
    if entry.limit is not None:
        yield f"measured on the first {entry.limit} images alone"
    elif spec.images is not None and images != spec.images:
        yield f"measured on {images} images, printed on {spec.images}"
    severities = {member.severity for member in members if _column(member, columns) in columns}
    printed = {spec.severity} if spec.severity is not None else severities
    if severities != printed:
        shown = ", ".join(str(severity) for severity in sorted(s for s in severities if s is not None))
        yield f"measured at severity {shown}, printed at {spec.severity}"
    evaluation = next((e for e in scope.suite.scoring.evaluations if e.id == scope.kind[1]), None)
    if evaluation is not None and evaluation.options:
        yield f"measured with other options of the evaluation: {', '.join(evaluation.options)}"
    if len(members) < len(scope.members):
        yield f"{len(scope.members) - len(members)} conditions here were not printed"


def _entry(value: float | None) -> TableEntry:
    return TableEntry(None if value is None else 100 * value, ranked=False)


def _difference(own: TableEntry, value: float | None) -> TableEntry:
    if own.number is None or value is None:
        return TableEntry(None, ranked=False)
    return TableEntry(own.number - 100 * value, ranked=False)
