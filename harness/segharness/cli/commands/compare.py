"""``segharness compare``: the differences between two models, in words."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, terminal
from segharness.errors import UsageError
from segharness.escaping import line
from segharness.plugin.metric_specs import FRACTION, MPC
from segharness.report.units import number_text, unit_text
from segharness.score.compare import BETTER, WORSE, Difference, Side, compare, model_pairs
from segharness.score.gate import GateVerdict, gate_rules, judge
from segharness.suite import OVERALL


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "A difference is the second model's number minus the first model's: in percentage points, or in the metric's own "
        "unit. Intervals cover 95 percent and use the same resampled images for both models. They are not adjusted for "
        "multiple comparisons."
    )
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RUN[::MODEL]",
        help="two runs, two models of one run (RUN::A RUN::B), or one run that has two models",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="also print the parts of condition sets, and mPC")
    parser.add_argument(
        "--fail-if-worse",
        metavar="METRICS",
        help="exit with 1 if the second model is worse by one of these: METRIC[@CONDITION], separated by commas; a "
        "metric of single conditions means clean images",
    )
    parser.add_argument(
        "--by",
        type=_margin,
        default=None,
        metavar="N",
        help="with --fail-if-worse, how much worse it may be: percentage points, or the metric's own unit; default 0",
    )
    parser.add_argument("--format", choices=["table", "json"], default="table", help="default table")


def execute(args: argparse.Namespace) -> int:
    if len(args.results) > 2:
        raise UsageError("compare takes one run or two")
    if args.by is not None and args.fail_if_worse is None:
        raise UsageError("--by is the margin of --fail-if-worse METRICS")
    rules = gate_rules(args.fail_if_worse) if args.fail_if_worse is not None else []
    pairs = model_pairs(args.results, whole=bool(rules))
    comparisons = [(first, second, list(compare(first, second))) for first, second in pairs]
    for first, second, differences in comparisons:
        if not differences:
            raise UsageError(f"{first.shown} and {second.shown} have no number in common")
    verdicts = [judge(rules, differences, args.by or 0.0) for _, _, differences in comparisons] if rules else []
    if args.format == "json":
        rows = [_json(a, b, d) for a, b, differences in comparisons for d in differences]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return _gate(comparisons, verdicts, args.by or 0.0) if rules else Exit.OK
    console = terminal()
    for first, second, differences in comparisons:
        shown = differences if args.verbose else [d for d in differences if not d.part and d.kind != MPC]
        _show(console, first, second, shown)
    return _gate(comparisons, verdicts, args.by or 0.0) if rules else Exit.OK


def _margin(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 0")
    return value


def _gate(
    comparisons: Sequence[tuple[Side, Side, list[Difference]]], verdicts: Sequence[GateVerdict], by: float
) -> int:
    """Say by what each second model is worse; return 1 if any is, 4 if one cannot be judged, else 0."""
    worse: list[str] = []
    undecided: list[str] = []
    for (first, second, _), verdict in zip(comparisons, verdicts, strict=True):
        worse += [f"worse: {second.shown} against {first.shown}: {_change(row, by)}" for row in verdict.worse]
        undecided += [
            f"{second.shown} against {first.shown}: {_named(row)} cannot be judged: {row.reason or 'it has no interval'}"
            for row in verdict.undecided
        ]
        if not verdict.worse and not verdict.undecided:
            names = ", ".join(dict.fromkeys(f"{row.metric} ({row.condition})" for row in verdict.held))
            say(f"not worse: {second.shown} against {first.shown}: {names}")
    for line_of_gate in worse:
        say(line_of_gate)
    if undecided:
        raise UsageError(undecided)
    return Exit.FAILED if worse else Exit.OK


def _change(row: Difference, by: float) -> str:
    """Return by how much a difference is worse, in words."""
    assert row.difference is not None and row.interval.low is not None and row.interval.high is not None
    change, low, high = (
        number_text(row.unit, n, signed=True) for n in (row.difference, row.interval.low, row.interval.high)
    )
    unit = "points" if row.unit == FRACTION else unit_text(row.unit)
    margin = f", more than {by:g}" if by else ""
    return f"{_named(row)} {change} [{low}, {high}] {unit}{margin}"


def _named(row: Difference) -> str:
    categories = f", {row.split} categories" if row.split != OVERALL else ""
    return f"{row.metric} ({row.condition}, {row.task}, {row.evaluation} on {row.dataset}{categories})"


def _json(first: Side, second: Side, row: Difference) -> dict[str, Any]:
    return {
        "first": first.shown,
        "second": second.shown,
        **{key: getattr(row, key) for key in ("dataset", "condition", "evaluation", "task", "split", "metric", "unit")},
        "values": list(row.values),
        "difference": row.difference,
        "ci_low": row.interval.low,
        "ci_high": row.interval.high,
        "verdict": row.verdict,
        "reason": row.reason,
    }


def _show(console: Console, first: Side, second: Side, differences: Sequence[Difference]) -> None:
    by_kind: dict[tuple[str, str, str, str], list[Difference]] = {}
    for row in differences:
        by_kind.setdefault((row.dataset, row.evaluation, row.task, row.split), []).append(row)
    for (dataset, evaluation, task, split), group in by_kind.items():
        categories = f", {split} categories" if split != OVERALL else ""
        percent = ", percent" if all(row.unit == FRACTION for row in group) else ""
        title = (
            f"{second.shown} (second) against {first.shown} (first): "
            f"{task} ({evaluation}) on {dataset}{categories}{percent}"
        )
        console.print(Text(title, style="bold"), soft_wrap=True)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("condition", overflow="fold")
        table.add_column("metric", no_wrap=True, min_width=10)
        for heading in ("first", "second"):
            table.add_column(heading, justify="right", no_wrap=True, min_width=6)
        table.add_column("the second is")
        reasons: dict[str, None] = {}
        for row in group:
            numbers = ("-" if value is None else number_text(row.unit, value) for value in row.values)
            unit = "" if percent else f" [{unit_text(row.unit)}]"
            table.add_row(Text(row.condition), Text(row.metric + unit), *numbers, _verdict(row))
            if row.verdict is None:
                reasons.setdefault(f"{row.condition}, {row.metric}: {row.reason}")
        console.print(table)
        for reason in reasons:
            console.print(f"  - {line(reason)}", highlight=False, markup=False, soft_wrap=True)


def _verdict(row: Difference) -> Text:
    """Return what a row says about the second model."""
    if row.difference is None:
        return Text("-", style="dim")
    low, high = row.interval.low, row.interval.high
    if row.verdict is None or low is None or high is None:
        return Text(f"{number_text(row.unit, row.difference, signed=True)}, no interval", style="dim")
    if row.verdict in (BETTER, WORSE):
        least, most = sorted((abs(low), abs(high)))
        size, least_text, most_text = (number_text(row.unit, abs(n)) for n in (row.difference, least, most))
        style = "green" if row.verdict == BETTER else "red"
        return Text(f"{row.verdict} by {size} [{least_text}, {most_text}]", style=style)
    points, low_text, high_text = (number_text(row.unit, n, signed=True) for n in (row.difference, low, high))
    return Text(f"{row.verdict}: {points} [{low_text}, {high_text}]")
