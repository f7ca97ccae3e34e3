"""Further tables, on request: parts of condition sets, the ratios behind CD and rCD, categories."""

from __future__ import annotations

from collections.abc import Iterator

from segharness.plugin.metric_specs import AVERAGE, CD, CD_RATIO, RCD, RCD_RATIO, derived_name
from segharness.plugin.specs import slug
from segharness.report.entry import TableEntry
from segharness.report.layout import Column, ReportTable
from segharness.report.notes import reason_notes
from segharness.report.results_lookup import Numbers
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
        rows = [
            (
                name or "all",
                tuple(
                    numbers.get(m.id, kind, condition, metric, category=name)
                    for kind, metric in shown
                    for m in suite.models
                ),
            )
            for name in (None, *categories)
        ]
        numbered = [(name, entries) for name, entries in rows if any(entry.number is not None for entry in entries)]
        notes = reason_notes(columns, numbered)
        if len(numbered) < len(rows):
            notes = (*notes, f"{len(rows) - len(numbered)} categories without a number are left out")
        units = dict.fromkeys(unit_text(column.unit) for column in columns)
        title = f"{TASKS.get(task, task)} ({', '.join(evaluations)}) on {dataset} by category, {condition}"
        title += f", {next(iter(units))}" if len(units) == 1 else ""
        yield ReportTable(title, tuple(columns), tuple(numbered), notes, row_heading="category")
