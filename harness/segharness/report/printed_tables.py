"""Printed rows beside one's own: in tables of their own under the measured ones, never ranked or averaged with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class _Part:
    """A column: what was printed, and what was measured.

    Attributes:
        printed: the printed column.
        heading: of the column.
        measured: returns a model's own number.
    """

    printed: str
    heading: str
    measured: Callable[[str], TableEntry]


def _table(scope: TableScope, printed: PrintedRows, there: set[str], images: int) -> ReportTable:
    spec = printed.spec
    members = [member for member in scope.members if _column(member, there) is not None]
    disagreements = list(_disagreements(scope, spec, members, there, images))
    notes = [f"{spec.source}{', ' + spec.where if spec.where else ''}. {spec.protocol}", *disagreements]
    compared_kinds, why_not_all = _compared_kinds(scope, spec, members)
    parts = list(_parts(scope, spec, members, there, compared_kinds))
    rows: list[tuple[str, tuple[TableEntry, ...]]] = []
    compared = False
    for name, values in printed.rows.items():
        numbers = [values.get(part.printed) for part in parts]
        rows.append((f"{name} (printed)", tuple(map(_entry, numbers))))
        if (model := _id(name)) in scope.group.models and not disagreements:
            compared = True
            own = [part.measured(model) for part in parts]
            rows.append((f"{model}: measured - printed", tuple(map(_difference, own, numbers))))
    if disagreements:
        notes.append("the protocols differ, so no differences are shown")
    elif compared and why_not_all:
        notes.append(why_not_all)
    elif not compared:
        notes.append("no model here has the id of a printed row, in lower case: no differences are shown")
    columns = tuple(Column.of(scope.primary, part.heading) for part in parts)
    return ReportTable(f"printed: {spec.name}", columns, tuple(rows), tuple(notes), row_heading="row")


def _parts(
    scope: TableScope, spec: PublishedSpec, members: Sequence[Condition], there: set[str], compared: Collection[str]
) -> Iterator[_Part]:
    """Yield the columns of a table; `compared` are the derived numbers that differences are shown of."""

    def under(condition: str) -> Callable[[str], TableEntry]:
        return lambda model: scope.numbers.get(model, scope.kind, condition, "AP")

    def derived(kind: str) -> Callable[[str], TableEntry]:
        return lambda model: degradation_entries(
            scope, scope.primary, [kind], model, scope.conditions.name, scope.reference
        )[0]

    yield _Part(spec.clean, "clean", under(CLEAN.name))
    mixed = next((condition.name for condition in scope.suite.conditions if condition.mixture), None)
    if mixed is not None and "mixed" in spec.printed:
        yield _Part(spec.printed["mixed"], "MC", under(mixed))
    for name, kind in _PRINTED.items():
        if name in spec.printed:
            own = derived(kind) if kind in compared else lambda model: TableEntry(None)
            yield _Part(spec.printed[name], HEADINGS[kind], own)
    for member in members:
        yield _Part(str(_column(member, there)), _plain_name(member), under(member.name))


def _compared_kinds(
    scope: TableScope, spec: PublishedSpec, members: Sequence[Condition]
) -> tuple[Collection[str], str | None]:
    """Return the derived numbers that mean the same here and there, and why not all of them do."""
    if not any({_plain_name(member) for member in members} == set(names) for names in spec.sets.values()):
        return (), "other conditions are averaged here, so averages, CD and rCD are not compared"
    if scope.reference != _id(spec.reference):
        why = f"the reference here is {scope.reference}, the printed one {spec.reference}: CD and rCD are not compared"
        return (AVERAGE,), why
    return tuple(_PRINTED.values()), None


def _plain_name(member: Condition) -> str:
    """Return the name of a condition's corruption without its family."""
    return str(member.corruption).rpartition("/")[2]


def _id(name: str) -> str:
    """Return the id that a model of a suite has if it is a printed row: its name, in lower case."""
    return slug(name.lower().replace(" ", "-"))


def _column(member: Condition, columns: set[str]) -> str | None:
    """Return the printed column of a condition, or None."""
    name = _plain_name(member)
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
    if entry.policy:
        yield "measured with a policy for categories (`labels` or `categories` of the data set)"
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
