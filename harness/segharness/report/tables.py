"""Makes the tables of a report: clean, mixed, average, CD, rCD, then the corruptions by category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from segharness.records import CLEAN
from segharness.report.entry import mean
from segharness.report.layout import Column, ReportTable
from segharness.report.notes import device_notes, family_notes, family_of, reason_notes, severity_notes
from segharness.report.results_lookup import Numbers
from segharness.report.scope import AGAINST, AP, TASKS, TableScope, speed_columns, speed_entries, splits_of
from segharness.report.views import class_tables, parts_table, ratio_tables
from segharness.suite import OVERALL, ConditionGroup, Shift, Suite

if TYPE_CHECKING:
    import pyarrow as pa


def tables(suite: Suite, results: pa.Table, views: Sequence[str] = ()) -> Iterator[ReportTable]:
    """Yield every table of a run's results.

    Args:
        suite: of the run.
        results: the table of results.arrow.
        views: further tables to make, keys of `segharness.suite.VIEWS`.
    """
    numbers = Numbers(results, suite.scoring)
    shifts = {shift.name for shift in suite.shifts}
    shifted = {
        (name, *kind[1:3])
        for shift in suite.shifts
        for kind in numbers.kinds
        if kind[0] == shift.name
        for name in (shift.clean, *shift.datasets)
    }
    for kind in numbers.kinds:
        if kind[0] in shifts:
            continue
        for conditions in suite.condition_groups or (ConditionGroup("", ()),):
            wanted_views = {
                *views,
                *(view.view for view in suite.report if not view.datasets or kind[0] in view.datasets),
            }
            for group in suite.groups:
                scope = TableScope(suite, numbers, kind, conditions, group)
                if scope.members:
                    yield _table(scope)
                if kind[3] == OVERALL and (
                    "metrics" in wanted_views or not (scope.members or (kind[:3] in shifted and not numbers.speed))
                ):
                    yield _metrics_table(scope)
                if "parts" in wanted_views and scope.members and scope.primary == AP:
                    yield from parts_table(scope)
                if "ratios" in wanted_views and scope.members and scope.primary == AP and scope.reference:
                    yield from ratio_tables(scope)
    for shift in suite.shifts:
        for kind in numbers.kinds:
            if kind[0] == shift.name:
                for group in suite.groups:
                    yield _shift_table(TableScope(suite, numbers, kind, ConditionGroup(CLEAN.name, ()), group), shift)
    by_class = [view for view in suite.report if view.view == "classes"]
    for dataset in suite.datasets:
        if "classes" in views or any(not view.datasets or dataset.id in view.datasets for view in by_class):
            yield from class_tables(suite, numbers, dataset.id)


def _table(scope: TableScope) -> ReportTable:
    """Return the table of a suite with corruptions, laid out as in the robustness paper."""
    suite, numbers, kind, members = scope.suite, scope.numbers, scope.kind, scope.members
    by_corruption: dict[tuple[str, str], list[str]] = {}
    for member in members:
        by_corruption.setdefault((member.category or "", str(member.corruption)), []).append(member.name)
    ordered = sorted(by_corruption, key=lambda pair: [m.category or "" for m in members].index(pair[0]))
    mixed = [c for c in suite.conditions if c.mixture]
    has_clean = any(c.name == CLEAN.name for c in suite.conditions)
    averaged = scope.primary == AP
    splits = splits_of(scope) if kind[3] == OVERALL and has_clean else []

    columns = [Column("clean", shows_interval=True)] if has_clean else []
    columns += [Column("MC" if len(mixed) == 1 else c.name, shows_interval=True) for c in mixed]
    if averaged:
        columns += [Column("avg", shows_interval=True), *(Column(h, "", True, True) for h in AGAINST)]
    columns += speed_columns(numbers)
    columns += [Column(name, "clean, by split", shows_interval=True) for name in splits]
    one_family = len({family_of(name) for _, name in ordered}) == 1
    columns += [Column(_short(name, category, one_family), category) for category, name in ordered]

    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, kind, CLEAN.name, scope.primary)] if has_clean else []
        entries += [numbers.get(model, kind, c.name, scope.primary) for c in mixed]
        if averaged:
            entries.append(numbers.get(model, kind, scope.conditions.name, "AP_avg"))
            entries += [
                numbers.get(model, kind, scope.conditions.name, name, scope.reference) for name in AGAINST.values()
            ]
        entries += speed_entries(scope, model)
        entries += [numbers.get(model, (*kind[:3], split), CLEAN.name, scope.primary) for split in splits]
        entries += [mean([numbers.get(model, kind, c, scope.primary) for c in by_corruption[pair]]) for pair in ordered]
        rows.append((model, tuple(entries)))
    notes = (
        *reason_notes(columns, rows),
        *severity_notes(members),
        *family_notes([*members, *mixed]),
        *device_notes(numbers),
    )
    return ReportTable(scope.title(), tuple(columns), tuple(rows), notes)


def _metrics_table(scope: TableScope) -> ReportTable:
    """Return the table of a suite without corruptions: a column per metric, then the splits."""
    numbers, kind, suite = scope.numbers, scope.kind, scope.suite
    condition = suite.conditions[0].name
    metrics = [
        m
        for m in numbers.metrics[kind[1], kind[2]]
        if any(numbers.has(model, kind, condition, m) for model in scope.group.models)
    ]
    splits = splits_of(scope)
    columns = [Column(metric, shows_interval=metric == scope.primary) for metric in metrics]
    columns += [Column(name, f"{scope.primary} by split", shows_interval=True) for name in splits]
    columns += speed_columns(numbers)
    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, kind, condition, metric) for metric in metrics]
        entries += [numbers.get(model, (*kind[:3], split), condition, scope.primary) for split in splits]
        rows.append((model, (*entries, *speed_entries(scope, model))))
    notes = (*reason_notes(columns, rows), *device_notes(numbers))
    title = scope.title() + ("" if condition == CLEAN.name else f", {condition}")
    return ReportTable(title, tuple(columns), tuple(rows), notes)


def _shift_table(scope: TableScope, shift: Shift) -> ReportTable:
    """Return the table of a shift between data sets: clean, average, CD, rCD, then the shifted data sets."""
    numbers, kind = scope.numbers, scope.kind
    columns = [Column(shift.clean, shows_interval=True), Column("avg", shows_interval=True)]
    columns += [Column(heading, "", True, True) for heading in AGAINST]
    columns += [Column(name, shift.name, shows_interval=True) for name in shift.datasets]
    reference = numbers.reference(scope.group.models, kind, CLEAN.name)
    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, (shift.clean, *kind[1:]), CLEAN.name, AP)]
        entries.append(numbers.get(model, kind, CLEAN.name, "AP_avg"))
        entries += [numbers.get(model, kind, CLEAN.name, name, reference) for name in AGAINST.values()]
        entries += [numbers.get(model, (name, *kind[1:]), CLEAN.name, AP) for name in shift.datasets]
        rows.append((model, tuple(entries)))
    _, evaluation, task, split = kind
    title = f"{TASKS.get(task, task)} AP ({evaluation}) from {shift.clean} to {shift.name}, percent"
    title += f", {split} categories" if split != OVERALL else ""
    title += f", {scope.group.name}" if len(scope.suite.groups) > 1 else ""
    title += f"; reference {reference}" if reference else ""
    return ReportTable(title, tuple(columns), tuple(rows), reason_notes(columns, rows))


def _short(corruption: str, category: str, one_family: bool) -> str:
    """Drop what the group heading or a note says already: ``motion_blur`` under blur is ``motion``."""
    name = corruption.removesuffix(f"_{category}") if category else corruption
    name = name.rpartition("/")[2] if one_family else name
    return name.removesuffix("_compression")
