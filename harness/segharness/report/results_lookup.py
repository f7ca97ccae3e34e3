"""The numbers of a results table, by model, evaluation, condition and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segharness.plugin.metric_specs import CD, EvaluationMetrics, Metric, derived_name
from segharness.records import CLEAN
from segharness.report.entry import TableEntry
from segharness.report.network_inputs import network_input_texts
from segharness.suite import OVERALL

if TYPE_CHECKING:
    import pyarrow as pa


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_LONGEST_OBSERVATION = 500

TableKey = tuple[str, str, str, str]
"""Data set (or shift), evaluation, task and split."""


class Numbers:
    """All numbers of a results table.

    Args:
        results: the table of results.arrow.
        metrics: the metrics of every evaluation, by its id.
        reference_clean: clean values of stored references: model, data set, evaluation, task, split, metric, value.
        observations: what is to be said of models: model, data set, text.
        network_inputs: what the networks were given, as the results' manifest has it.

    Attributes:
        kinds: all kinds that have numbers. Those of evaluations without tables of their own come last.
        reported: by evaluation and task, all metrics of single cells, in order.
        categories: by data set, its categories in order.
        devices: by evaluation and model, the devices that it was timed on.
        observations: what is to be said of models: model, data set, text.
        network_inputs: by data set and model, what the network was given, in words.
    """

    def __init__(
        self,
        results: pa.Table,
        metrics: Mapping[str, EvaluationMetrics],
        reference_clean: Sequence[Sequence[Any]] = (),
        observations: Any = (),
        network_inputs: Any = (),
    ) -> None:
        self.network_inputs = network_input_texts(network_inputs)
        self.observations: list[tuple[str, str, str]] = [
            (row[0], row[1], row[2][:_LONGEST_OBSERVATION])
            for row in (observations if isinstance(observations, list) else ())
            if isinstance(row, list) and len(row) == 3 and all(map(_is_text, row))
        ]
        self._metrics = metrics
        self._entries: dict[tuple[Any, ...], TableEntry] = {}
        self._stored_clean = {
            tuple(row[:6]): row[6]
            for row in (reference_clean if isinstance(reference_clean, list) else ())
            if isinstance(row, list) and len(row) == 7 and isinstance(row[6], float) and all(map(_is_text, row[:6]))
        }
        self.kinds: dict[TableKey, None] = {}
        self.reported: dict[tuple[str, str], dict[str, None]] = {}
        self.categories: dict[str, dict[str, None]] = {}
        self.devices: dict[tuple[str, str], dict[str, None]] = {}
        for row in results.to_pylist():
            self._add(row)
        reported = [kind for kind in self.kinds if (kind[1], kind[2]) in self.reported]
        self.kinds = dict.fromkeys(sorted(reported, key=lambda kind: not self.has_table(kind[1])))

    def _add(self, row: Mapping[str, Any]) -> None:
        evaluation = (row["evaluation"], row["task"])
        kind = (row["dataset"], *evaluation, row["split"])
        key = (row["model"], *kind, row["condition"], row["metric"], row["category"], row["reference"])
        if row["device"] is not None:
            self.devices.setdefault((row["evaluation"], row["model"]), {}).setdefault(row["device"])
            if key in self._entries:
                return  # of another device: tables show the first device, the results hold all
        self._entries[key] = TableEntry.of(row, self.metric(row["evaluation"], row["metric"]).unit)
        if row["category"] is not None:
            self.categories.setdefault(row["dataset"], {}).setdefault(row["category"])
            return
        self.kinds.setdefault(kind)
        if row["reference"] is None:
            self.reported.setdefault(evaluation, {}).setdefault(row["metric"])

    def metric(self, evaluation: str, name: str) -> Metric:
        """Return what a metric is. One that is not known has no unit, and neither direction is better."""
        return self._metrics.get(evaluation, EvaluationMetrics(())).get(name)

    def primary(self, kind: TableKey) -> Metric:
        """Return the metric that the tables of a kind are about: the first one that is declared and has numbers."""
        reported = self.reported[kind[1], kind[2]]
        declared = self._metrics.get(kind[1], EvaluationMetrics(())).declared
        return next((m for m in declared if m.name in reported), self.metric(kind[1], next(iter(reported))))

    def degradable(self, kind: TableKey) -> Metric | None:
        """Return the metric whose degradation tables of a kind show: the primary one, or the first that has any."""
        reported = self.reported[kind[1], kind[2]]
        declared = self._metrics.get(kind[1], EvaluationMetrics(())).declared
        return next((m for m in declared if m.degradation and m.name in reported), None)

    def has_table(self, evaluation: str) -> bool:
        """Return whether an evaluation has tables of its own."""
        return self._metrics.get(evaluation, EvaluationMetrics(())).table

    def further_columns(self, kind: TableKey) -> list[tuple[Metric, TableKey]]:
        """Return the metrics that are columns of a kind's tables, each with the kind of its own numbers.

        They are metrics of the same task and split, or of a task that no other evaluation has: frames per second are
        those of any split. A number over all categories is none of a split's.
        """
        columns: list[tuple[Metric, TableKey]] = []
        for evaluation, metrics in self._metrics.items():
            if evaluation == kind[1] or not any(metric.column for metric in metrics.declared):
                continue
            own = [k for k in self.kinds if k[:2] == (kind[0], evaluation)]
            shared = {k[2] for k in self.kinds if k[1] != evaluation and self.has_table(k[1])}
            of_task = [k for k in own if k[2] == kind[2]]
            fitting = [k for k in of_task if k[3] == kind[3]]
            if not of_task:
                fitting = [k for k in own if k[2] not in shared and k[3] == OVERALL]
            if fitting:
                columns += [(m, fitting[0]) for m in metrics.declared if m.column]
        return columns

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

    def reference(self, models: Sequence[str], kind: TableKey, condition: str, metric: str) -> str | None:
        """Return the reference that the CD of a metric of any of the models was computed against, or None."""
        for key in self._entries:
            if key[0] in models and key[1:7] == (*kind, condition, derived_name(metric, CD)) and key[-1] is not None:
                return str(key[-1])
        return None

    def clean(self, model: str, kind: TableKey, metric: str, *, stored: bool = False) -> float | None:
        """Return the clean number of a model, or of a stored reference; None if it has none."""
        if not stored:
            return self.get(model, kind, CLEAN.name, metric).number
        value = self._stored_clean.get((model, *kind, metric))
        return None if value is None else 100.0 * value
