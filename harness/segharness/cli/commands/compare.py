"""``segharness compare``: in plain words, what two models differ in."""

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
from segharness.errors import UsageError
from segharness.score.compare import BETTER, WORSE, Difference, Side, compare, sides
from segharness.suite import OVERALL


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Differences are the second model's number less the first one's, in points of percent; intervals are of 95 percent, "
        "from the same resampled images for both, each difference looked at alone."
    )
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RUN[::MODEL]",
        help="two runs, two models of one run (RUN::A RUN::B), or one run that has two models",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="also parts of the sets of conditions, and mPC")
    parser.add_argument("--format", choices=["table", "json"], default="table")


def execute(args: argparse.Namespace) -> int:
    if len(args.results) > 2:
        raise UsageError("compare takes one run or two")
    found = [(first, second, list(compare(first, second))) for first, second in sides(args.results)]
    for first, second, differences in found:
        if not differences:
            raise UsageError(f"{first.shown} and {second.shown} have no number in common")
    if args.format == "json":
        rows = [_json(a, b, d) for a, b, differences in found for d in differences]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return Exit.OK
    console = Console()
    for first, second, differences in found:
        shown = differences if args.verbose else [d for d in differences if not d.part and d.metric != "mPC"]
        _show(console, first, second, shown)
    return Exit.OK


def _json(first: Side, second: Side, found: Difference) -> dict[str, Any]:
    return {
        "first": first.shown,
        "second": second.shown,
        **{key: getattr(found, key) for key in ("dataset", "condition", "evaluation", "task", "split", "metric")},
        "values": list(found.values),
        "difference": found.difference,
        "ci_low": found.interval.low,
        "ci_high": found.interval.high,
        "verdict": found.verdict,
        "reason": found.reason,
    }


def _show(console: Console, first: Side, second: Side, differences: Sequence[Difference]) -> None:
    by_kind: dict[tuple[str, str, str, str], list[Difference]] = {}
    for found in differences:
        by_kind.setdefault((found.dataset, found.evaluation, found.task, found.split), []).append(found)
    for (dataset, evaluation, task, split), group in by_kind.items():
        of = f", {split} categories" if split != OVERALL else ""
        title = (
            f"{second.shown} (second) against {first.shown} (first): {task} ({evaluation}) on {dataset}{of}, percent"
        )
        console.print(Text(title, style="bold"), soft_wrap=True)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("condition", overflow="fold")
        table.add_column("metric", no_wrap=True, min_width=10)
        for heading in ("first", "second"):
            table.add_column(heading, justify="right", no_wrap=True, min_width=6)
        table.add_column("the second is")
        reasons: dict[str, None] = {}
        for found in group:
            numbers = ("-" if value is None else f"{100 * value:.1f}" for value in found.values)
            table.add_row(Text(found.condition), found.metric, *numbers, _sentence(found))
            if found.verdict is None:
                reasons.setdefault(f"{found.condition}, {found.metric}: {found.reason}")
        console.print(table)
        for line in reasons:
            console.print(f"  - {line}", highlight=False, markup=False, soft_wrap=True)


def _sentence(found: Difference) -> Text:
    """Return what the difference says of the second model."""
    if found.difference is None:
        return Text("-", style="dim")
    points = 100 * found.difference
    low, high = found.interval.low, found.interval.high
    if found.verdict is None or low is None or high is None:
        return Text(f"{points:+.1f}, no interval", style="dim")
    if found.verdict in (BETTER, WORSE):
        least, most = sorted((abs(100 * low), abs(100 * high)))
        style = "green" if found.verdict == BETTER else "red"
        return Text(f"{found.verdict} by {abs(points):.1f} [{least:.1f}, {most:.1f}]", style=style)
    return Text(f"{found.verdict}: {points:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]")
