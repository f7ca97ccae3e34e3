"""Further tables, on request: parts of condition sets, the ratios behind CD and rCD, categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from segharness.plugin.metric_specs import AVERAGE, CD, CD_RATIO, RCD, RCD_RATIO, derived_name
from segharness.plugin.specs import slug
from segharness.report.entry import TableEntry
from segharness.report.layout import Column, ReportTable
from segharness.report.notes import reason_notes
from segharness.report.results_lookup import Numbers, TableKey
from segharness.report.scope import (
    TASKS,
    TableScope,
    degradation_columns,
    degradation_entries,
    degradation_legend,
)
from segharness.report.units import unit_text, with_unit
from segharness.suite import OVERALL, Suite


def parts_table(scope: TableScope) -> Iterator[ReportTable]:
    """Yield the table of averages and degradation over the parts of a condition set, if it has parts."""
    numbers, members, name, metric = scope.numbers, scope.members, scope.conditions.name, scope.primary
    kinds = (AVERAGE, CD, RCD)
    average = derived_name(metric.name, AVERAGE)
    parts = [f"{name}/{c}" for c in dict.fromkeys(m.category for m in members)]
    parts += [f"{name}/severity-{s}" for s in dict.fromkeys(m.severity for m in members)]
    parts = [p for p in parts if any(numbers.has(m, scope.kind, p, average) for m in scope.group.models)]
    columns: list[Column] = []
    for part in parts:
        group = part.removeprefix(f"{name}/").replace("severity-", "severity ")
        columns += degradation_columns(scope, metric, kinds, group)
    rows = []
    for model in scope.group.models:
        entries: list[TableEntry] = []
        for part in parts:
            entries += degradation_entries(scope, metric, kinds, model, part, scope.reference)
        rows.append((model, tuple(entries)))
    if parts:
        notes = reason_notes(columns, rows)
        yield ReportTable(scope.title("by parts: "), tuple(columns), tuple(rows), notes, degradation_legend(metric))


def ratio_tables(scope: TableScope) -> Iterator[ReportTable]:
    """Yield the table of the ratios whose means are CD and rCD, with a row per corruption."""
    corruptions = list(dict.fromkeys(str(m.corruption) for m in scope.members))
    metric = scope.primary
    ratios = {CD: derived_name(metric.name, CD_RATIO), RCD: derived_name(metric.name, RCD_RATIO)}
    columns = [
        Column(model, heading, better="smaller", shows_interval=True)
        for heading in ratios
        for model in scope.group.models
    ]
    rows = []
    for corruption in corruptions:
        condition = f"{scope.conditions.name}/{slug(corruption)}"
        entries = [
            scope.numbers.get(model, scope.kind, condition, ratio, scope.reference)
            for ratio in ratios.values()
            for model in scope.group.models
        ]
        rows.append((corruption, tuple(entries)))
    notes, legend = reason_notes(columns, rows), degradation_legend(metric)
    yield ReportTable(scope.title("ratios of "), tuple(columns), tuple(rows), notes, legend, "corruption")


def class_tables(suite: Suite, numbers: Numbers, dataset: str) -> Iterator[ReportTable]:
    """Yield a table per task with a row for all categories and one per category; its evaluations stand side by side."""
    condition = suite.conditions[0].name
    categories = list(numbers.categories.get(dataset, ()))
    kinds = [kind for kind in numbers.kinds if kind[0] == dataset and kind[3] == OVERALL]
    for task in dict.fromkeys(kind[2] for kind in kinds):
        shown = [
            (kind, metric)
            for kind in kinds
            if kind[2] == task
            for metric in numbers.reported[kind[1], task]
            if any(numbers.has(m.id, kind, condition, metric, c) for m in suite.models for c in categories)
        ]
        if not shown:
            continue
        evaluations = list(dict.fromkeys(kind[1] for kind, _ in shown))
        columns = [
            Column.of(
                numbers.metric(kind[1], metric),
                model.id,
                with_unit(metric, numbers.metric(kind[1], metric).unit)
                if len(evaluations) == 1
                else f"{with_unit(metric, numbers.metric(kind[1], metric).unit)}, {kind[1]}",
                shows_interval=True,
            )
            for kind, metric in shown
            for model in suite.models
        ]
        cleans = dict.fromkeys(shift.clean for shift in suite.shifts if dataset in shift.datasets)
        dropped = [(clean, *pair) for clean in cleans for pair in _dropped(numbers, clean, shown)]
        columns += [
            _drop_column(numbers, kind, metric, model.id, clean)
            for clean, kind, metric in dropped
            for model in suite.models
        ]
        rows = [
            (
                name or "all",
                (
                    *(
                        numbers.get(m.id, k, condition, metric, category=name)
                        for k, metric in shown
                        for m in suite.models
                    ),
                    *(
                        _drop(numbers, m.id, k, condition, metric, name, clean)
                        for clean, k, metric in dropped
                        for m in suite.models
                    ),
                ),
            )
            for name in (None, *categories)
        ]
        numbered = [(name, entries) for name, entries in rows if any(entry.number is not None for entry in entries)]
        measured = len(columns) - len(dropped) * len(suite.models)
        with_reasons = [(name, entries[:measured]) for name, entries in numbered]
        notes = (*reason_notes(columns[:measured], with_reasons), *_empty(rows))
        units = dict.fromkeys(unit_text(column.unit) for column in columns)
        title = f"{TASKS.get(task, task)} ({', '.join(evaluations)}) on {dataset} by category, {condition}"
        title += f", {next(iter(units))}" if len(units) == 1 else ""
        yield ReportTable(title, tuple(columns), tuple(rows), notes, row_heading="category")


_NAMED = 10
"""How many categories without a number a note names."""


def _empty(rows: Sequence[tuple[str, tuple[TableEntry, ...]]]) -> Iterator[str]:
    """Yield a line for every reason why categories have no number at all."""
    by_reason: dict[str, list[str]] = {}
    for name, entries in rows:
        if all(entry.number is None for entry in entries):
            by_reason.setdefault(entries[0].reason or "no reason given", []).append(name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{', '.join(names[:_NAMED])}{more}: {reason}"


def _dropped(numbers: Numbers, clean: str, shown: Sequence[tuple[TableKey, str]]) -> Iterator[tuple[TableKey, str]]:
    """Yield those kinds and metrics of a shifted data set whose drop from the clean one is shown: the primary ones."""
    for kind, metric in shown:
        clean_kind = (clean, *kind[1:])
        if clean_kind in numbers.kinds and metric == numbers.primary(kind).name == numbers.primary(clean_kind).name:
            yield kind, metric


def _drop_column(numbers: Numbers, kind: TableKey, metric: str, model: str, clean: str) -> Column:
    return replace(Column.of(numbers.metric(kind[1], metric), model, f"{metric}, lost from {clean}"), better="smaller")


def _drop(
    numbers: Numbers, model: str, kind: TableKey, condition: str, metric: str, category: str | None, clean: str
) -> TableEntry:
    """Return what a model loses of a metric from the clean data set to this one, of one category.

    Over all categories there is none: the data sets have different ones.
    """
    if category is None:
        return TableEntry(None, "the data sets have other categories")
    before = numbers.get(model, (clean, *kind[1:]), condition, metric, category=category)
    after = numbers.get(model, kind, condition, metric, category=category)
    if before.number is None or after.number is None:
        return TableEntry(None, before.reason if before.number is None else after.reason, unit=after.unit)
    return TableEntry(before.number - after.number, unit=after.unit, ranked=False)
