"""Further tables, on request: parts of condition sets, the ratios behind CD and rCD, categories."""

from __future__ import annotations

from collections.abc import Iterator

from segharness.plugin.specs import slug
from segharness.report.entry import TableEntry
from segharness.report.layout import Column, ReportTable
from segharness.report.notes import reason_notes
from segharness.report.results_lookup import Numbers
from segharness.report.scope import TASKS, TableScope
from segharness.suite import OVERALL, Suite


def parts_table(scope: TableScope) -> Iterator[ReportTable]:
    """Yield the table of averages and degradation over the parts of a condition set, if it has parts."""
    numbers, members, name = scope.numbers, scope.members, scope.conditions.name
    parts = [f"{name}/{c}" for c in dict.fromkeys(m.category for m in members)]
    parts += [f"{name}/severity-{s}" for s in dict.fromkeys(m.severity for m in members)]
    parts = [p for p in parts if any(numbers.has(m, scope.kind, p, "AP_avg") for m in scope.group.models)]
    columns: list[Column] = []
    for part in parts:
        group = part.removeprefix(f"{name}/").replace("severity-", "severity ")
        columns += [Column("avg", group, shows_interval=True), *(Column(h, group, True, True) for h in ("CD", "rCD"))]
    rows = []
    for model in scope.group.models:
        entries: list[TableEntry] = []
        for part in parts:
            entries.append(numbers.get(model, scope.kind, part, "AP_avg"))
            entries += [numbers.get(model, scope.kind, part, m, scope.reference) for m in ("CD", "rCD")]
        rows.append((model, tuple(entries)))
    if parts:
        yield ReportTable(scope.title("by parts: "), tuple(columns), tuple(rows), reason_notes(columns, rows))


def ratio_tables(scope: TableScope) -> Iterator[ReportTable]:
    """Yield the table of the ratios whose means are CD and rCD, with a row per corruption."""
    corruptions = list(dict.fromkeys(str(m.corruption) for m in scope.members))
    columns = [Column(model, metric, True, True) for metric in ("CD", "rCD") for model in scope.group.models]
    rows = []
    for corruption in corruptions:
        condition = f"{scope.conditions.name}/{slug(corruption)}"
        entries = [
            scope.numbers.get(model, scope.kind, condition, f"{metric}_ratio", scope.reference)
            for metric in ("CD", "rCD")
            for model in scope.group.models
        ]
        rows.append((corruption, tuple(entries)))
    yield ReportTable(scope.title("ratios of "), tuple(columns), tuple(rows), reason_notes(columns, rows), "corruption")


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
            for metric in numbers.metrics[kind[1], task]
            if any(numbers.has(m.id, kind, condition, metric, c) for m in suite.models for c in categories)
        ]
        if not shown:
            continue
        evaluations = list(dict.fromkeys(kind[1] for kind, _ in shown))
        columns = [
            Column(model.id, metric if len(evaluations) == 1 else f"{metric}, {kind[1]}", shows_interval=True)
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
        title = f"{TASKS.get(task, task)} ({', '.join(evaluations)}) on {dataset} by category, {condition}, percent"
        yield ReportTable(title, tuple(columns), tuple(numbered), notes, "category")
