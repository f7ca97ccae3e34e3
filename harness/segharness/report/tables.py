"""Makes the tables of a report: clean, mixed, average, CD, rCD, then the corruptions by category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segharness.plugin.specs import slug
from segharness.records import CLEAN, Condition
from segharness.report.entry import TableEntry, mean
from segharness.report.layout import Column, ReportTable
from segharness.report.results_lookup import SPEED, Numbers, TableKey
from segharness.suite import OVERALL, ConditionGroup, Group, Shift, StoredReference, Suite

if TYPE_CHECKING:
    import pyarrow as pa

_AGAINST = {"CD": "CD", "rCD": "rCD", "pooled": "rCD_pooled"}
"""Headings of the columns that compare with the reference, and their metrics."""

_TASKS = {"segm": "mask", "bbox": "box", "boundary": "boundary"}
_AP = "AP"


@dataclass(frozen=True)
class _TableScope:
    """What one table shows: a kind of numbers, a group of conditions and a group of models."""

    suite: Suite
    numbers: Numbers
    kind: TableKey
    conditions: ConditionGroup
    group: Group

    @property
    def members(self) -> list[Condition]:
        """The conditions of the group."""
        return [self.suite.condition(name) for name in self.conditions.conditions]

    @property
    def primary(self) -> str:
        """The metric that the table is about."""
        return self.numbers.primary[self.kind[1], self.kind[2]]

    @property
    def reference(self) -> str | None:
        """The name of the reference model, or None."""
        if self.group.reference is None:
            return None
        if not isinstance(self.group.reference, StoredReference):
            return self.group.reference
        name = self.numbers.reference(self.group.models, self.kind, self.conditions.name)
        return self.group.reference.model or name

    def title(self, prefix: str = "") -> str:
        """Return the title of the table."""
        dataset, evaluation, task, split = self.kind
        title = f"{_TASKS.get(task, task)} {self.primary} ({evaluation}) on {dataset}, percent"
        title = f"{prefix}{title}"
        title += f", {split} categories" if split != OVERALL else ""
        title += f", {self.group.name}" if len(self.suite.groups) > 1 else ""
        title += f", {self.conditions.name}" if len(self.suite.condition_groups) > 1 else ""
        return title + (f"; reference {self.reference}" if self.reference and self.primary == _AP else "")


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
                scope = _TableScope(suite, numbers, kind, conditions, group)
                if scope.members:
                    yield _table(scope)
                if kind[3] == OVERALL and (
                    "metrics" in wanted_views or not (scope.members or (kind[:3] in shifted and not numbers.speed))
                ):
                    yield _metrics_table(scope)
                if "parts" in wanted_views and scope.members and scope.primary == _AP:
                    yield from _parts_table(scope)
                if "ratios" in wanted_views and scope.members and scope.primary == _AP and scope.reference:
                    yield from _ratio_tables(scope)
    for shift in suite.shifts:
        for kind in numbers.kinds:
            if kind[0] == shift.name:
                for group in suite.groups:
                    yield _shift_table(_TableScope(suite, numbers, kind, ConditionGroup(CLEAN.name, ()), group), shift)
    by_class = [view for view in suite.report if view.view == "classes"]
    for dataset in suite.datasets:
        if "classes" in views or any(not view.datasets or dataset.id in view.datasets for view in by_class):
            yield from _class_tables(suite, numbers, dataset.id)


def _table(scope: _TableScope) -> ReportTable:
    """Return the table of a suite with corruptions, laid out as in the robustness paper."""
    suite, numbers, kind, members = scope.suite, scope.numbers, scope.kind, scope.members
    by_corruption: dict[tuple[str, str], list[str]] = {}
    for member in members:
        by_corruption.setdefault((member.category or "", str(member.corruption)), []).append(member.name)
    ordered = sorted(by_corruption, key=lambda pair: [m.category or "" for m in members].index(pair[0]))
    mixed = [c for c in suite.conditions if c.mixture]
    has_clean = any(c.name == CLEAN.name for c in suite.conditions)
    averaged = scope.primary == _AP
    splits = _splits(scope) if kind[3] == OVERALL and has_clean else []

    columns = [Column("clean", shows_interval=True)] if has_clean else []
    columns += [Column("MC" if len(mixed) == 1 else c.name, shows_interval=True) for c in mixed]
    if averaged:
        columns += [Column("avg", shows_interval=True), *(Column(h, "", True, True) for h in _AGAINST)]
    columns += _speed_columns(numbers)
    columns += [Column(name, "clean, by split", shows_interval=True) for name in splits]
    one_family = len({_family(name) for _, name in ordered}) == 1
    columns += [Column(_short(name, category, one_family), category) for category, name in ordered]

    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, kind, CLEAN.name, scope.primary)] if has_clean else []
        entries += [numbers.get(model, kind, c.name, scope.primary) for c in mixed]
        if averaged:
            entries.append(numbers.get(model, kind, scope.conditions.name, "AP_avg"))
            entries += [
                numbers.get(model, kind, scope.conditions.name, name, scope.reference) for name in _AGAINST.values()
            ]
        entries += _speeds(scope, model)
        entries += [numbers.get(model, (*kind[:3], split), CLEAN.name, scope.primary) for split in splits]
        entries += [mean([numbers.get(model, kind, c, scope.primary) for c in by_corruption[pair]]) for pair in ordered]
        rows.append((model, tuple(entries)))
    notes = (*_notes(columns, rows), *_severities(members), *_families([*members, *mixed]), *_devices(numbers))
    return ReportTable(scope.title(), tuple(columns), tuple(rows), notes)


def _metrics_table(scope: _TableScope) -> ReportTable:
    """Return the table of a suite without corruptions: a column per metric, then the splits."""
    numbers, kind, suite = scope.numbers, scope.kind, scope.suite
    condition = suite.conditions[0].name
    metrics = [
        m
        for m in numbers.metrics[kind[1], kind[2]]
        if any(numbers.has(model, kind, condition, m) for model in scope.group.models)
    ]
    splits = _splits(scope)
    columns = [Column(metric, shows_interval=metric == scope.primary) for metric in metrics]
    columns += [Column(name, f"{scope.primary} by split", shows_interval=True) for name in splits]
    columns += _speed_columns(numbers)
    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, kind, condition, metric) for metric in metrics]
        entries += [numbers.get(model, (*kind[:3], split), condition, scope.primary) for split in splits]
        rows.append((model, (*entries, *_speeds(scope, model))))
    notes = (*_notes(columns, rows), *_devices(numbers))
    title = scope.title() + ("" if condition == CLEAN.name else f", {condition}")
    return ReportTable(title, tuple(columns), tuple(rows), notes)


def _shift_table(scope: _TableScope, shift: Shift) -> ReportTable:
    """Return the table of a shift between data sets: clean, average, CD, rCD, then the shifted data sets."""
    numbers, kind = scope.numbers, scope.kind
    columns = [Column(shift.clean, shows_interval=True), Column("avg", shows_interval=True)]
    columns += [Column(heading, "", True, True) for heading in _AGAINST]
    columns += [Column(name, shift.name, shows_interval=True) for name in shift.datasets]
    reference = numbers.reference(scope.group.models, kind, CLEAN.name)
    rows = []
    for model in scope.group.models:
        entries = [numbers.get(model, (shift.clean, *kind[1:]), CLEAN.name, _AP)]
        entries.append(numbers.get(model, kind, CLEAN.name, "AP_avg"))
        entries += [numbers.get(model, kind, CLEAN.name, name, reference) for name in _AGAINST.values()]
        entries += [numbers.get(model, (name, *kind[1:]), CLEAN.name, _AP) for name in shift.datasets]
        rows.append((model, tuple(entries)))
    _, evaluation, task, split = kind
    title = f"{_TASKS.get(task, task)} AP ({evaluation}) from {shift.clean} to {shift.name}, percent"
    title += f", {split} categories" if split != OVERALL else ""
    title += f", {scope.group.name}" if len(scope.suite.groups) > 1 else ""
    title += f"; reference {reference}" if reference else ""
    return ReportTable(title, tuple(columns), tuple(rows), _notes(columns, rows))


def _parts_table(scope: _TableScope) -> Iterator[ReportTable]:
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
        yield ReportTable(scope.title("by parts: "), tuple(columns), tuple(rows), _notes(columns, rows))


def _ratio_tables(scope: _TableScope) -> Iterator[ReportTable]:
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
    yield ReportTable(scope.title("ratios of "), tuple(columns), tuple(rows), _notes(columns, rows), "corruption")


def _class_tables(suite: Suite, numbers: Numbers, dataset: str) -> Iterator[ReportTable]:
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
        notes = _notes(columns, numbered)
        if len(numbered) < len(rows):
            notes = (*notes, f"{len(rows) - len(numbered)} categories without a number are left out")
        title = f"{_TASKS.get(task, task)} ({', '.join(evaluations)}) on {dataset} by category, {condition}, percent"
        yield ReportTable(title, tuple(columns), tuple(numbered), notes, "category")


# -------------------------------------------------------------------------------------------------------------- parts


def _splits(scope: _TableScope) -> list[str]:
    """Return the splits that the table has numbers of; class-agnostic evaluations have none."""
    kinds = {split.name: (*scope.kind[:3], split.name) for split in scope.suite.scoring.splits}
    return [name for name, kind in kinds.items() if kind in scope.numbers.kinds]


def _severities(members: Sequence[Condition]) -> Iterator[str]:
    """Yield lines with the severities of the corruptions, which the headings do not show."""
    by_levels: dict[tuple[int | None, ...], list[str]] = {}
    by_corruption: dict[str, list[int | None]] = {}
    for member in members:
        by_corruption.setdefault(str(member.corruption), []).append(member.severity)
    for corruption, severities in by_corruption.items():
        by_levels.setdefault(tuple(severities), []).append(corruption)
    for levels, corruptions in by_levels.items():
        subject = "corruptions" if len(by_levels) == 1 else ", ".join(corruptions)
        noun = "severities" if len(levels) > 1 else "severity"
        mean = ", their means" if len(levels) > 1 else ""
        yield f"{subject} at {noun} {', '.join(map(str, levels))}{mean}"


def _speed_columns(numbers: Numbers) -> list[Column]:
    return [Column("fps", SPEED)] if numbers.speed else []


def _speeds(scope: _TableScope, model: str) -> list[TableEntry]:
    """Return the frames per second of a model; nothing if the suite does not measure speed."""
    if scope.numbers.speed is None:
        return []
    condition = scope.suite.conditions[0].name
    return [scope.numbers.get(model, (scope.kind[0], scope.numbers.speed, SPEED, OVERALL), condition, "fps")]


def _devices(numbers: Numbers) -> Iterator[str]:
    """Yield lines with the devices that speed was measured on: one for all models, or one per model."""
    if (
        len({tuple(devices) for devices in numbers.devices.values()}) == 1
        and len(next(iter(numbers.devices.values()))) == 1
    ):
        yield f"fps on {next(iter(next(iter(numbers.devices.values()))))}"
        return
    for model, (first, *further) in numbers.devices.items():
        yield f"{model}: fps on {first}" + (f"; the results have those on {', '.join(further)} too" if further else "")


def _family(corruption: str) -> str:
    return corruption.rpartition("/")[0]


def _families(conditions: Sequence[Condition]) -> Iterator[str]:
    """Yield a line with the versions of every family that corruptions name (``family/name``)."""
    by_family: dict[str, dict[str, None]] = {}
    for condition in conditions:
        family = _family(str(condition.corruption))
        members = [part.rpartition("=")[2] for part in condition.version.split(";")[1:]] if condition.mixture else []
        for version in (members or [condition.version]) if family else ():
            by_family.setdefault(family, {})[version] = None
    for family, versions in by_family.items():
        yield f"corruptions of the family {family}, version {', '.join(versions)}"


def _short(corruption: str, category: str, one_family: bool) -> str:
    """Drop what the group heading or a note says already: ``motion_blur`` under blur is ``motion``."""
    name = corruption.removesuffix(f"_{category}") if category else corruption
    name = name.rpartition("/")[2] if one_family else name
    return name.removesuffix("_compression")


def _notes(columns: Sequence[Column], rows: Sequence[tuple[str, tuple[TableEntry, ...]]]) -> tuple[str, ...]:
    """Return one line per row and reason: the columns that have no number, or no interval, and why."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for name, entries in rows:
        for column, entry in zip(columns, entries, strict=True):
            if entry.number is None or (entry.reason and column.shows_interval):
                heading = f"{column.heading} ({column.group})" if column.group else column.heading
                by_reason.setdefault((name, entry.reason or "no reason given"), []).append(heading)
    return tuple(f"{name}: {', '.join(headings)}: {reason}" for (name, reason), headings in by_reason.items())
