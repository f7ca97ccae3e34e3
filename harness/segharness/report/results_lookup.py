"""The numbers of a results table, by model, evaluation, condition and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segharness.report.entry import TableEntry
from segharness.suite import Scoring

if TYPE_CHECKING:
    import pyarrow as pa

TableKey = tuple[str, str, str, str]
"""Data set (or shift), evaluation, task and split."""

SPEED = "speed"
"""The metric and task of speed, whose numbers are a column of the other tables."""


class Numbers:
    """All numbers of a results table.

    Attributes:
        primary: by evaluation and task, the metric that its tables are about: the metric of its first row.
        metrics: by evaluation and task, all metrics of single cells.
        kinds: all kinds that have numbers, without speed.
        categories: by data set, its categories in order.
        speed: the id of the evaluation that measures speed, or None.
        devices: by model, the devices that it was timed on.
    """

    def __init__(self, results: pa.Table, scoring: Scoring) -> None:
        self.speed = next((entry.id for entry in scoring.evaluations if entry.metric == SPEED), None)
        self._entries: dict[tuple[Any, ...], TableEntry] = {}
        self.primary: dict[tuple[str, str], str] = {}
        self.metrics: dict[tuple[str, str], dict[str, None]] = {}
        self.kinds: dict[TableKey, None] = {}
        self.categories: dict[str, dict[str, None]] = {}
        self.devices: dict[str, dict[str, None]] = {}
        for row in results.to_pylist():
            self._add(row)

    def _add(self, row: Mapping[str, Any]) -> None:
        evaluation = (row["evaluation"], row["task"])
        scale = 1.0 if row["evaluation"] == self.speed else 100.0
        kind = (row["dataset"], *evaluation, row["split"])
        key = (row["model"], *kind, row["condition"], row["metric"], row["category"], row["reference"])
        if row["evaluation"] == self.speed and key in self._entries:
            return  # of another device: tables show the first device, the results hold all
        self._entries[key] = TableEntry.of(row, scale)
        if row["device"] is not None:
            self.devices.setdefault(row["model"], {}).setdefault(row["device"])
        if row["category"] is not None:
            self.categories.setdefault(row["dataset"], {}).setdefault(row["category"])
        elif row["evaluation"] != self.speed:
            self.primary.setdefault(evaluation, row["metric"])
            self.kinds.setdefault(kind)
            if row["reference"] is None:
                self.metrics.setdefault(evaluation, {}).setdefault(row["metric"])

    def get(
        self,
        model: str,
        kind: TableKey,
        condition: str,
        metric: str,
        reference: str | None = None,
        category: str | None = None,
    ) -> TableEntry:
        """Return a number; an entry with the reason ``not scored`` if the results have none."""
        key = (model, *kind, condition, metric, category, reference)
        return self._entries.get(key, TableEntry(None, "not scored"))

    def has(self, model: str, kind: TableKey, condition: str, metric: str, category: str | None = None) -> bool:
        """Return whether the results have a number (against no reference), possibly a missing one with a reason."""
        return (model, *kind, condition, metric, category, None) in self._entries

    def reference(self, models: Sequence[str], kind: TableKey, condition: str) -> str | None:
        """Return the reference that the CD of any of the models was computed against, or None."""
        for key in self._entries:
            if key[0] in models and key[1:7] == (*kind, condition, "CD") and key[-1] is not None:
                return str(key[-1])
        return None
