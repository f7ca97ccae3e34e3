"""Printed rows beside one's own: in tables of their own under the measured ones, never ranked or averaged with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segharness.plugin.metric_specs import AVERAGE, CD, RCD
from segharness.plugin.published_specs import PublishedSpec
from segharness.records import CLEAN, Condition
from segharness.report.entry import TableEntry
from segharness.report.layout import Column, ReportTable
from segharness.report.scope import HEADINGS, TableScope, degradation_entries
from segharness.suite import OVERALL, DatasetEntry, EvaluationEntry, Shift
from segharness.suite.suite import AS_PUBLISHED

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


def printed_shift_tables(
    scope: TableScope, shift: Shift, printed: Sequence[PrintedRows], images: Mapping[str, int]
) -> Iterator[ReportTable]:
    """Yield a table of printed rows for every printed table that goes from the same data to some of the same others.

    Args:
        scope: of the measured table.
        shift: the data sets of the measured table.
        printed: the printed tables.
        images: how many images of each data set were measured.
    """
    if scope.kind[1:2] != ("coco",) or scope.kind[3] != OVERALL or scope.primary.name != "AP":
        return
    for each in printed:
        spec = each.spec
        shared = [name for name in shift.datasets if name in spec.datasets]
        if not shared or spec.clean != shift.clean or spec.task != scope.kind[2]:
            continue
        disagreements = [
            text for name in (shift.clean, *shared) for text in _other_data(scope, spec, name, images.get(name, 0))
        ]
        reference = scope.numbers.reference(scope.group.models, scope.kind, CLEAN.name, "AP")
        kinds, why_not_all = _compared_kinds(spec, set(shift.datasets), reference)
        yield _laid_out(scope, each, list(_shift_parts(scope, spec, shift, shared, kinds)), disagreements, why_not_all)


def printed_metric_tables(scope: TableScope, printed: Sequence[PrintedRows], images: int) -> Iterator[ReportTable]:
    """Yield a table of printed rows for every printed table with numbers of the same kind on the same data set.

    Args:
        scope: of the measured table of metrics.
        printed: the printed tables.
        images: how many images were measured.
    """
    entry = scope.suite.dataset(scope.kind[0])
    evaluation = next((e for e in scope.suite.scoring.evaluations if e.id == scope.kind[1]), None)
    if evaluation is None or scope.kind[3] != OVERALL:
        return
    own = (entry.dataset, evaluation.metric, scope.kind[2])
    for each in printed:
        fitting = {
            column: measure
            for column, measure in each.spec.measures.items()
            if (measure["dataset"], measure.get("evaluation", "coco"), measure["task"]) == own
        }
        if not fitting:
            continue
        disagreements = dict.fromkeys(
            text for measure in fitting.values() for text in _other_measure(entry, evaluation, measure, images)
        )
        parts = [_metric_part(scope, column, measure) for column, measure in fitting.items()]
        yield _laid_out(scope, each, parts, list(disagreements), None)


def _metric_part(scope: TableScope, column: str, measure: Mapping[str, Any]) -> _Part:
    split, metric = str(measure.get("split", OVERALL)), str(measure["metric"])
    kind, condition = (*scope.kind[:3], split), scope.suite.conditions[0].name
    heading = metric if split == OVERALL else f"{metric}, {split}"
    return _Part(column, heading, lambda model: scope.numbers.get(model, kind, condition, metric))


def _part(entry: DatasetEntry) -> str | None:
    """Return which images of a data set were taken, in words; None for all."""
    drawn = f"a sample of {entry.sample} images" if entry.sample is not None else None
    if entry.limit is None:
        return drawn
    return f"the first {entry.limit} images" + (f" of {drawn}" if drawn else "")


def _other_measure(
    entry: DatasetEntry, evaluation: EvaluationEntry, measure: Mapping[str, Any], images: int
) -> Iterator[str]:
    """Yield how a measured number differs from what is known of the printed one."""
    if "note" in measure:
        yield str(measure["note"])
    if (part := _part(entry)) is not None:
        yield f"measured on {part} alone"
    elif images != measure["images"]:
        yield f"measured on {images} images, printed on {measure['images']}"
    yield from _other_settings(entry, evaluation)


def _other_settings(entry: DatasetEntry, evaluation: EvaluationEntry | None) -> Iterator[str]:
    """Yield what a suite sets of a data set and an evaluation that no printed table has."""
    if entry.policy:
        yield "measured with a policy for categories (`labels` or `categories` of the data set)"
    if entry.resolution != AS_PUBLISHED:
        yield f"measured at `resolution: {entry.resolution}`, printed as each network was published"
    if evaluation is not None and evaluation.options:
        yield f"measured with other options of the evaluation: {', '.join(evaluation.options)}"


def _table(scope: TableScope, printed: PrintedRows, there: set[str], images: int) -> ReportTable:
    spec = printed.spec
    members = [member for member in scope.members if _column(member, there) is not None]
    disagreements = list(_disagreements(scope, spec, members, there, images))
    compared_kinds, why_not_all = _compared_kinds(spec, {_plain_name(member) for member in members}, scope.reference)
    parts = list(_parts(scope, spec, members, there, compared_kinds))
    return _laid_out(scope, printed, parts, disagreements, why_not_all)


def _laid_out(
    scope: TableScope,
    printed: PrintedRows,
    parts: Sequence[_Part],
    disagreements: Sequence[str],
    why_not_all: str | None,
) -> ReportTable:
    """Return the table: every printed row and, where the protocols agree, what was measured minus what was printed."""
    spec = printed.spec
    notes = [f"{spec.source}{', ' + spec.where if spec.where else ''}. {spec.protocol}", *disagreements]
    rows: list[tuple[str, tuple[TableEntry, ...]]] = []
    compared = False
    for name, values in printed.rows.items():
        numbers = [values.get(part.printed) for part in parts]
        rows.append((f"{name} (printed)", tuple(map(_entry, numbers))))
        if (model := spec.id_of(name)) in scope.group.models and not disagreements:
            compared = True
            own = [part.measured(model) for part in parts]
            rows.append((f"{model}: measured - printed", tuple(map(_difference, own, numbers))))
    if disagreements:
        notes.append("the protocols differ, so no differences are shown")
    elif compared and why_not_all:
        notes.append(why_not_all)
    elif not compared:
        notes.append("no model here has the id of a printed row: no differences are shown")
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


def _shift_parts(
    scope: TableScope, spec: PublishedSpec, shift: Shift, shared: Sequence[str], compared: Collection[str]
) -> Iterator[_Part]:
    """Yield the columns of a table of a shift; `compared` are the derived numbers that differences are shown of."""

    def on(dataset: str) -> Callable[[str], TableEntry]:
        return lambda model: scope.numbers.get(model, (dataset, *scope.kind[1:]), CLEAN.name, "AP")

    def derived(kind: str) -> Callable[[str], TableEntry]:
        reference = scope.numbers.reference(scope.group.models, scope.kind, CLEAN.name, "AP")
        return lambda model: degradation_entries(
            scope, scope.primary, [kind], model, CLEAN.name, reference, shift.clean
        )[0]

    yield _Part(spec.clean, shift.clean, on(shift.clean))
    for name, kind in _PRINTED.items():
        if name in spec.printed:
            own = derived(kind) if kind in compared else lambda model: TableEntry(None)
            yield _Part(spec.printed[name], HEADINGS[kind], own)
    for dataset in shared:
        yield _Part(dataset, dataset, on(dataset))


def _compared_kinds(
    spec: PublishedSpec, measured: set[str], reference: str | None
) -> tuple[Collection[str], str | None]:
    """Return the derived numbers that mean the same here and there, and why not all of them do.

    Args:
        spec: the printed table.
        measured: the conditions, or the data sets, that are averaged here.
        reference: the model that CD and rCD divide by here.
    """
    if not any(measured == set(names) for names in spec.sets.values()):
        return (), "other conditions are averaged here, so averages, CD and rCD are not compared"
    if reference != spec.id_of(spec.reference):
        why = f"the reference here is {reference}, the printed one {spec.reference}: CD and rCD are not compared"
        return (AVERAGE,), why
    return tuple(_PRINTED.values()), None


def _plain_name(member: Condition) -> str:
    """Return the name of a condition's corruption without its family."""
    return str(member.corruption).rpartition("/")[2]


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
    if (part := _part(entry)) is not None:
        yield f"measured on {part} alone"
    elif spec.images is not None and images != spec.images:
        yield f"measured on {images} images, printed on {spec.images}"
    severities = {member.severity for member in members if _column(member, columns) in columns}
    printed = {spec.severity} if spec.severity is not None else severities
    if severities != printed:
        shown = ", ".join(str(severity) for severity in sorted(s for s in severities if s is not None))
        yield f"measured at severity {shown}, printed at {spec.severity}"
    evaluation = next((e for e in scope.suite.scoring.evaluations if e.id == scope.kind[1]), None)
    yield from _other_settings(entry, evaluation)
    if len(members) < len(scope.members):
        yield f"{len(scope.members) - len(members)} conditions here were not printed"


def _other_data(scope: TableScope, spec: PublishedSpec, id: str, images: int) -> Iterator[str]:
    """Yield how a measured data set differs from what is known of the printed one."""
    entry, known = scope.suite.dataset(id), spec.datasets[id]
    if entry.dataset != known.get("dataset", entry.dataset):
        yield f"{id}: measured on {entry.dataset}, printed on {known['dataset']}"
    if (part := _part(entry)) is not None:
        yield f"{id}: measured on {part} alone"
    elif images != known.get("images", images):
        yield f"{id}: measured on {images} images, printed on {known['images']}"
    if (resolution := known.get("resolution", entry.resolution)) != entry.resolution:
        yield f"{id}: measured at `resolution: {entry.resolution}`, printed at `{resolution}`"
    policies = {"labels": dict(entry.labels), "categories": sorted(set(entry.categories))}
    for key, own in policies.items():
        printed = known.get(key)
        if printed is not None and (dict(printed) if key == "labels" else sorted(set(printed))) != own:
            yield f"{id}: measured with other {key} than printed"


def _entry(value: float | None) -> TableEntry:
    return TableEntry(None if value is None else 100 * value, ranked=False)


def _difference(own: TableEntry, value: float | None) -> TableEntry:
    if own.number is None or value is None:
        return TableEntry(None, ranked=False)
    return TableEntry(own.number - 100 * value, ranked=False)
