"""The metrics of a run as its results record them, so that reports and comparisons need no plugin of the run's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from segharness.errors import PluginError, StoreError, UsageError
from segharness.plugin import builtin
from segharness.plugin.metric_specs import EvaluationMetrics, Metric
from segharness.suite.suite import EvaluationEntry

KEY = "metrics"
"""The key of the record in the manifest that results.arrow carries."""


def record(metrics: Mapping[str, EvaluationMetrics]) -> dict[str, dict[str, Any]]:
    """Return the metrics of every evaluation, by its id, as JSON."""
    return {
        id: {"table": known.table, "metrics": [dataclasses.asdict(metric) for metric in known.declared]}
        for id, known in metrics.items()
    }


def recorded_metrics(manifest: Mapping[str, Any], file: object = "results") -> dict[str, EvaluationMetrics]:
    """Return the metrics of every evaluation, by its id, from the manifest of a results table.

    Results that an earlier segharness wrote have no record. Their evaluations have the metrics that segharness's own
    evaluations of those names have; those of plugins have none that is known.

    Args:
        manifest: of the results.
        file: the results file, for messages.

    Raises:
        StoreError: the record is not one.
    """
    if KEY not in manifest:
        return _before_records(manifest["suite"]["scoring"]["metrics"])
    try:
        return {
            str(id): EvaluationMetrics(tuple(Metric(**metric) for metric in known["metrics"]), bool(known["table"]))
            for id, known in manifest[KEY].items()
        }
    except (AttributeError, KeyError, TypeError, PluginError) as error:
        raise StoreError(f"{file}: its manifest has a wrong record of metrics: {error}") from error


def _before_records(scoring: Sequence[Any]) -> dict[str, EvaluationMetrics]:
    own = {spec.name: spec for spec in builtin.segharness_metrics()}
    metrics: dict[str, EvaluationMetrics] = {}
    for entry in map(EvaluationEntry.from_json, scoring):
        spec = own.get(entry.metric)
        try:
            metrics[entry.id] = spec.metrics_under(entry.options) if spec else EvaluationMetrics(())
        except UsageError:  # options that this version refuses
            metrics[entry.id] = EvaluationMetrics(())
    return metrics
