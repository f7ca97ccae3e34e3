"""Makes the tables of a report: clean, mixed, average, CD, rCD, then the corruptions by category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from segharness.plugin.metric_specs import AVERAGE, CD, RCD, RCD_POOLED
from segharness.records import CLEAN
from segharness.report.entry import mean
from segharness.report.layout import Column, ReportTable
from segharness.report.notes import (
    device_notes,
    family_notes,
    family_of,
    further_notes,
    network_input_notes,
    observation_notes,
    reason_notes,
    severity_notes,
    unit_notes,
)
from segharness.report.printed_tables import (
    PrintedRows,
    printed_metric_tables,
    printed_shift_tables,
    printed_tables,
)
from segharness.report.results_lookup import Numbers
from segharness.report.scope import (
    TASKS,
    TableScope,
    degradation_columns,
    degradation_entries,
    degradation_legend,
    further_columns,
    further_entries,
    splits_of,
)
from segharness.report.units import with_unit
from segharness.report.views import class_tables, parts_table, ratio_tables
from segharness.store import manifest_of
from segharness.suite import OVERALL, ConditionGroup, Shift, Suite
from segharness.suite.recorded_metrics import recorded_metrics

if TYPE_CHECKING:
    import pyarrow as pa


def tables(
    suite: Suite,
    results: pa.Table,
    views: Sequence[str] = (),
    printed: Sequence[PrintedRows] = (),
    only_fitting: bool = True,
) -> Iterator[ReportTable]:
    """Yield every table of a run's results.

    Args:
        suite: of the run.
        results: the table of results.arrow.
        views: further tables to make, keys of `segharness.suite.VIEWS`.
        printed: printed tables to show under those of the same task and conditions.
        only_fitting: whether to leave out printed tables of another data set.
    """
    manifest = manifest_of(results)
    numbers = Numbers(
        results,
        recorded_metrics(manifest),
        manifest.get("reference_clean", ()),
        manifest.get("observations"),
        manifest.get("network_inputs"),
    )
    images: dict[str, int] = {}
    for dataset_id, count in zip(*(results.column(n).to_pylist() for n in ("dataset", "n_images")), strict=True):
        images[dataset_id] = max(images.get(dataset_id, 0), count or 0)
    shifts = {shift.name for shift in suite.shifts}
    shifted = {
        (name, *kind[1:3])
        for shift in suite.shifts
        for kind in numbers.kinds
        if kind[0] == shift.name
        for name in (shift.clean, *shift.datasets)
    }
    with_tables = {kind[0] for kind in numbers.kinds if numbers.has_table(kind[1])}
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
                if not numbers.has_table(kind[1]):  # its numbers are columns of the other tables
                    if kind[3] == OVERALL and ("metrics" in wanted_views or kind[0] not in with_tables):
                        yield _metrics_table(scope)
                        yield from printed_metric_tables(scope, printed, images.get(kind[0], 0))
                    continue
                if scope.members:
                    yield _table(scope)
                    yield from printed_tables(scope, printed, images.get(kind[0], 0), only_fitting)
                in_shift_table = kind[:3] in shifted and scope.degrades and not numbers.further_columns(kind)
                if kind[3] == OVERALL and ("metrics" in wanted_views or not (scope.members or in_shift_table)):
                    yield _metrics_table(scope)
                    yield from printed_metric_tables(scope, printed, images.get(kind[0], 0))
                if "parts" in wanted_views and scope.members and scope.degrades:
                    yield from parts_table(scope)
                if "ratios" in wanted_views and scope.members and scope.degrades and scope.reference:
                    yield from ratio_tables(scope)
    for shift in suite.shifts:
        for kind in numbers.kinds:
            if kind[0] == shift.name:
                for group in suite.groups:
                    scope = TableScope(suite, numbers, kind, ConditionGroup(CLEAN.name, ()), group)
                    yield _shift_table(scope, shift)
                    yield from printed_shift_tables(scope, shift, printed, images)
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
    splits = splits_of(scope) if kind[3] == OVERALL and has_clean else []
    metric = scope.primary
    kinds = (AVERAGE, CD, RCD, RCD_POOLED) if scope.degrades else ()

    columns = [Column.of(metric, "clean", shows_interval=True)] if has_clean else []
    columns += [Column.of(metric, "MC" if len(mixed) == 1 else c.name, shows_interval=True) for c in mixed]
    columns += degradation_columns(scope, metric, kinds)
    columns += further_columns(scope)
    columns += [Column.of(metric, name, "clean, by split", shows_interval=True) for name in splits]
    one_family = len({family_of(name) for _, name in ordered}) == 1
    columns += [Column.of(metric, _short(name, category, one_family), category) for category, name in ordered]

    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, kind, CLEAN.name, metric.name)] if has_clean else []
        entries += [numbers.get(model, kind, c.name, metric.name) for c in mixed]
        entries += degradation_entries(scope, metric, kinds, model, scope.conditions.name, scope.reference)
        entries += further_entries(scope, model)
        entries += [numbers.get(model, (*kind[:3], split), CLEAN.name, metric.name) for split in splits]
        entries += [mean([numbers.get(model, kind, c, metric.name) for c in by_corruption[pair]]) for pair in ordered]
        rows.append((model, tuple(entries)))
    notes = (
        *reason_notes(columns, rows),
        *severity_notes(members),
        *family_notes([*members, *mixed]),
        *device_notes(scope),
        *unit_notes(columns, metric.unit),
        *further_notes(scope),
        *network_input_notes(scope, [kind[0]]),
        *observation_notes(scope),
    )
    legend = degradation_legend(metric) if kinds else ()
    return ReportTable(scope.title(), tuple(columns), tuple(rows), notes, legend)


def _metrics_table(scope: TableScope) -> ReportTable:
    """Return the table of a suite without corruptions: a column per metric, then the splits."""
    numbers, kind, suite = scope.numbers, scope.kind, scope.suite
    condition = suite.conditions[0].name
    metrics = [
        numbers.metric(kind[1], name)
        for name in numbers.reported[kind[1], kind[2]]
        if any(numbers.has(model, kind, condition, name) for model in scope.group.models)
    ]
    splits, primary = splits_of(scope), scope.primary
    columns = [
        Column.of(
            metric,
            metric.name if metric.unit == primary.unit else with_unit(metric.name, metric.unit),
            shows_interval=metric == primary,
        )
        for metric in metrics
    ]
    columns += [Column.of(primary, name, f"{primary.name} by split", shows_interval=True) for name in splits]
    columns += further_columns(scope)
    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, kind, condition, metric.name) for metric in metrics]
        entries += [numbers.get(model, (*kind[:3], split), condition, primary.name) for split in splits]
        rows.append((model, (*entries, *further_entries(scope, model))))
    notes = (
        *reason_notes(columns, rows),
        *device_notes(scope),
        *unit_notes(columns, primary.unit),
        *further_notes(scope),
        *network_input_notes(scope, [kind[0]]),
        *observation_notes(scope),
    )
    beside_main = scope.members and numbers.has_table(kind[1])
    title = scope.title("every metric: " if beside_main else "") + ("" if condition == CLEAN.name else f", {condition}")
    return ReportTable(title, tuple(columns), tuple(rows), notes)


def _shift_table(scope: TableScope, shift: Shift) -> ReportTable:
    """Return the table of a shift between data sets: clean, average, CD, rCD, then the shifted data sets."""
    numbers, kind = scope.numbers, scope.kind
    metric = numbers.degradable((shift.clean, *kind[1:])) or scope.primary
    kinds = (AVERAGE, CD, RCD, RCD_POOLED)
    columns = [Column.of(metric, shift.clean, shows_interval=True), *degradation_columns(scope, metric, kinds)]
    columns += [Column.of(metric, name, shift.name, shows_interval=True) for name in shift.datasets]
    reference = numbers.reference(scope.group.models, kind, CLEAN.name, metric.name)
    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, (shift.clean, *kind[1:]), CLEAN.name, metric.name)]
        entries += degradation_entries(scope, metric, kinds, model, CLEAN.name, reference, shift.clean)
        entries += [numbers.get(model, (name, *kind[1:]), CLEAN.name, metric.name) for name in shift.datasets]
        rows.append((model, tuple(entries)))
    _, evaluation, task, split = kind
    title = f"{TASKS.get(task, task)} {metric.name} ({evaluation}) from {shift.clean} to {shift.name}, percent"
    title += f", {split} categories" if split != OVERALL else ""
    title += f", {scope.group.name}" if len(scope.suite.groups) > 1 else ""
    title += f"; reference {reference}" if reference else ""
    notes = (*reason_notes(columns, rows), *network_input_notes(scope, [shift.clean, *shift.datasets]))
    return ReportTable(title, tuple(columns), tuple(rows), notes, degradation_legend(metric))


def _short(corruption: str, category: str, one_family: bool) -> str:
    """Drop what the group heading or a note says already: ``motion_blur`` under blur is ``motion``."""
    name = corruption.removesuffix(f"_{category}") if category else corruption
    name = name.rpartition("/")[2] if one_family else name
    return name.removesuffix("_compression")
