"""``segharness metrics``: the evaluations, and the unit, direction and formula of each of their metrics."""

from __future__ import annotations

import argparse
import dataclasses
import json

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.cli.exit_codes import Exit
from segharness.cli.output import screen
from segharness.plugin.host import PluginHost
from segharness.plugin.metric_specs import DERIVED, Metric, MetricSpec, derived_name

FORMULAS = {
    "avg": "mean of {0} over the conditions of a set",
    "mPC": "mean over corruptions of their mean {0}",
    "rPC": "mPC / clean {0}",
    "CD": "mean over corruptions of (1 - {0}) / (1 - {0} of the reference)",
    "rCD": "mean over corruptions of the loss against clean / the reference's loss",
    "rCD_pooled": "sum over corruptions of the loss against clean / the reference's sum",
    "CD_ratio": "one of the ratios that CD averages",
    "rCD_ratio": "one of the ratios that rCD averages",
}
"""What is derived from a metric over a set of conditions, by the keys of `DERIVED`."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this evaluation, with what is derived from it")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def execute(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    specs = [host.get(args.name, MetricSpec)] if args.name else host.all(MetricSpec)
    metrics = {spec.name: [*spec.metrics, *(_derived(spec) if args.name else ())] for spec in specs}
    if args.json:
        rows = [
            {
                "evaluation": spec.name,
                "plugin": host.owner(spec).distribution,
                "tasks": list(spec.tasks),
                "description": spec.description,
                "metrics": [dataclasses.asdict(metric) for metric in metrics[spec.name]],
            }
            for spec in specs
        ]
        print(json.dumps(rows, indent=1))
        return Exit.OK
    console = screen()
    for spec in specs:
        console.print(_table(spec, host.owner(spec).distribution, metrics[spec.name]))
    if not args.name:
        console.print("Tables show fractions in percent. From metrics with degradation, avg, mPC, rPC, CD and rCD are")
        console.print("derived: segharness metrics NAME")
    return Exit.OK


def _table(spec: MetricSpec, distribution: str, metrics: list[Metric]) -> Table:
    table = Table(
        title=Text(f"{spec.name} ({distribution}; {', '.join(spec.tasks)}): {spec.description}", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("metric", "unit", "better", "degradation", "formula"):
        table.add_column(heading, no_wrap=heading == "metric")
    for metric in metrics:
        row = (metric.name, metric.unit, metric.better, "yes" if metric.degradation else "", metric.formula)
        table.add_row(*(Text(cell) for cell in row))
    return table


def _derived(spec: MetricSpec) -> list[Metric]:
    """Return what is derived from the metrics of an evaluation over sets of conditions."""
    return [
        Metric(derived_name(metric.name, kind), better=DERIVED[kind], formula=FORMULAS[kind].format(metric.name))
        for metric in spec.metrics
        if metric.degradation
        for kind in DERIVED
    ]
