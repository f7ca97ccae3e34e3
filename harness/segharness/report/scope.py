"""What one table shows, and the parts that several tables share."""

from __future__ import annotations

from dataclasses import dataclass

from segharness.records import Condition
from segharness.report.entry import TableEntry
from segharness.report.layout import Column
from segharness.report.results_lookup import SPEED, Numbers, TableKey
from segharness.suite import OVERALL, ConditionGroup, Group, StoredReference, Suite

AGAINST = {"CD": "CD", "rCD": "rCD", "pooled": "rCD_pooled"}
"""Headings of the columns that compare with the reference, and their metrics."""

TASKS = {"segm": "mask", "bbox": "box", "boundary": "boundary"}
AP = "AP"


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
        title = f"{TASKS.get(task, task)} {self.primary} ({evaluation}) on {dataset}, percent"
        title = f"{prefix}{title}"
        title += f", {split} categories" if split != OVERALL else ""
        title += f", {self.group.name}" if len(self.suite.groups) > 1 else ""
        title += f", {self.conditions.name}" if len(self.suite.condition_groups) > 1 else ""
        return title + (f"; reference {self.reference}" if self.reference and self.primary == AP else "")


def splits_of(scope: TableScope) -> list[str]:
    """Return the splits that the table has numbers of; class-agnostic evaluations have none."""
    kinds = {split.name: (*scope.kind[:3], split.name) for split in scope.suite.scoring.splits}
    return [name for name, kind in kinds.items() if kind in scope.numbers.kinds]


def speed_columns(numbers: Numbers) -> list[Column]:
    return [Column("fps", SPEED)] if numbers.speed else []


def speed_entries(scope: TableScope, model: str) -> list[TableEntry]:
    """Return the frames per second of a model; nothing if the suite does not measure speed."""
    if scope.numbers.speed is None:
        return []
    condition = scope.suite.conditions[0].name
    return [scope.numbers.get(model, (scope.kind[0], scope.numbers.speed, SPEED, OVERALL), condition, "fps")]
