"""What one table shows, and the parts that several tables share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segharness.plugin.metric_specs import AVERAGE, CD, RCD, RCD_POOLED, Metric, derived_name
from segharness.records import Condition
from segharness.report.entry import TableEntry
from segharness.report.layout import Column
from segharness.report.results_lookup import Numbers, TableKey
from segharness.report.units import unit_text, with_unit
from segharness.suite import OVERALL, ConditionGroup, Group, StoredReference, Suite

HEADINGS: Mapping[str, str] = {AVERAGE: "avg", CD: "CD", RCD: "rCD", RCD_POOLED: "pooled"}
"""The headings of averages and degradation in tables."""

TASKS = {"segm": "mask", "bbox": "box", "boundary": "boundary"}

LOW_CLEAN = 2 / 3
"""A model whose clean number is under this share of the reference's has little to lose: its rCD is not ranked."""


@dataclass(frozen=True)
class TableScope:
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
    def primary(self) -> Metric:
        """The metric that the table is about."""
        return self.numbers.primary(self.kind)

    @property
    def degrades(self) -> bool:
        """Whether averages and degradation are derived from the primary metric."""
        return self.primary.degradation

    @property
    def reference(self) -> str | None:
        """The name of the reference model, or None."""
        if self.group.reference is None:
            return None
        if not isinstance(self.group.reference, StoredReference):
            return self.group.reference
        name = self.numbers.reference(self.group.models, self.kind, self.conditions.name, self.primary.name)
        return self.group.reference.model or name

    def title(self, prefix: str = "") -> str:
        """Return the title of the table."""
        dataset, evaluation, task, split = self.kind
        unit = unit_text(self.primary.unit)
        title = f"{TASKS.get(task, task)} {self.primary.name} ({evaluation}) on {dataset}, {unit}"
        title = f"{prefix}{title}"
        title += f", {split} categories" if split != OVERALL else ""
        title += f", {self.group.name}" if len(self.suite.groups) > 1 else ""
        title += f", {self.conditions.name}" if len(self.suite.condition_groups) > 1 else ""
        return title + (f"; reference {self.reference}" if self.reference and self.degrades else "")


def splits_of(scope: TableScope) -> list[str]:
    """Return the splits that the table has numbers of; class-agnostic evaluations have none."""
    kinds = {split.name: (*scope.kind[:3], split.name) for split in scope.suite.scoring.splits}
    return [name for name, kind in kinds.items() if kind in scope.numbers.kinds]


# ----------------------------------------------------------------------------------------- averages and degradation


def degradation_columns(scope: TableScope, metric: Metric, kinds: Sequence[str], group: str = "") -> list[Column]:
    """Return the columns of what is derived from a metric: `kinds` are keys of `DERIVED`."""
    evaluation = scope.kind[1]
    return [
        Column.of(
            scope.numbers.metric(evaluation, derived_name(metric.name, kind)),
            HEADINGS[kind],
            group,
            shows_interval=True,
        )
        for kind in kinds
    ]


def degradation_entries(
    scope: TableScope,
    metric: Metric,
    kinds: Sequence[str],
    model: str,
    condition: str,
    reference: str | None,
    clean_dataset: str | None = None,
) -> list[TableEntry]:
    """Return a model's numbers for `degradation_columns`.

    Args:
        scope: of the table.
        metric: from which the numbers are derived.
        kinds: keys of `DERIVED`.
        model: its id.
        condition: the set of conditions, as results name it.
        reference: the name of the reference.
        clean_dataset: whose clean images the numbers start from; None for the table's own data set.
    """
    clean_kind = (clean_dataset or scope.kind[0], *scope.kind[1:])
    low = is_low(scope, metric, model, reference, clean_kind)
    entries = []
    for kind in kinds:
        against = None if kind == AVERAGE else reference
        entry = scope.numbers.get(model, scope.kind, condition, derived_name(metric.name, kind), against)
        entries.append(replace(entry, ranked=not (low and kind in (RCD, RCD_POOLED))))
    return entries


def is_low(scope: TableScope, metric: Metric, model: str, reference: str | None, clean_kind: TableKey) -> bool:
    """Return whether a model's clean number is so far under the reference's that its rCD means little."""
    if reference is None:
        return False
    stored = isinstance(scope.group.reference, StoredReference)
    own = scope.numbers.clean(model, clean_kind, metric.name)
    other = scope.numbers.clean(reference, clean_kind, metric.name, stored=stored)
    return own is not None and other is not None and own < LOW_CLEAN * other


def degradation_legend(metric: Metric) -> tuple[str, ...]:
    """Return the two lines below a table with CD or rCD."""
    name = metric.name
    return (
        f"CD and rCD: the error 1 - {name}, and what is lost against clean, over the reference's; 100 is the reference, "
        "smaller is better",
        f"a low clean {name} flatters rCD and pooled: under 2/3 of the reference's clean {name} they are never bold",
    )


# ------------------------------------------------------------------------------------ columns of other evaluations


def further_columns(scope: TableScope) -> list[Column]:
    """Return the columns that other evaluations add to the table, such as frames per second."""
    return [
        Column.of(metric, with_unit(str(metric.column), metric.unit), kind[1], shows_interval=True)
        for metric, kind in scope.numbers.further_columns(scope.kind)
    ]


def further_entries(scope: TableScope, model: str) -> list[TableEntry]:
    """Return a model's numbers for `further_columns`, under the first condition of the suite."""
    condition = scope.suite.conditions[0].name
    return [
        scope.numbers.get(model, kind, condition, metric.name)
        for metric, kind in scope.numbers.further_columns(scope.kind)
    ]
