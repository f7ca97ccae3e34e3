"""``segharness degradation``: CD and rCD of anyone's table of APs."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from segharness.cli.exit_codes import Exit
from segharness.cli.output import emit
from segharness.score.degradation import Value
from segharness.score.external_table import Degradation, ExternalTable, degradations, doubtful, read_table


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "What comes out is in percent, the average too. rcd_pooled stands beside rcd, never in its place."
    parser.add_argument("table", type=Path, metavar="TABLE", help="CSV or Arrow: a row a model, a column a condition")
    parser.add_argument("--reference", required=True, metavar="MODEL", help="the row that CD and rCD divide by")
    parser.add_argument("--clean", required=True, metavar="COLUMN", help="the column of the clean APs")
    columns = parser.add_mutually_exclusive_group()
    columns.add_argument("--conditions", metavar="A,B,C", help="the columns to average over; default all others")
    columns.add_argument("--ignore", metavar="A,B", default="", help="columns that are no condition")
    unit = parser.add_mutually_exclusive_group(required=True)
    unit.add_argument("--percent", dest="scale", action="store_const", const=100.0, help="APs are written in percent")
    unit.add_argument("--fraction", dest="scale", action="store_const", const=1.0, help="APs are fractions")
    parser.add_argument("--ratios", action="store_true", help="show what CD and rCD are means of")
    parser.add_argument(
        "--format", choices=["table", "csv", "json"], default=None, help="default table, or FILE's ending"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there")


def execute(args: argparse.Namespace) -> int:
    conditions = _names(args.conditions) if args.conditions is not None else None
    table = read_table(args.table, args.clean, args.scale, conditions, _names(args.ignore))
    found = degradations(table, args.reference)
    format = args.format or _by_ending(args.output)
    notes = [f"averaged over {len(table.conditions)} columns: {', '.join(table.conditions)}"]
    notes += [*_reasons(found, args.ratios), *_doubts(table, args.reference, args.scale)]
    text = {"csv": _csv, "json": _json, "table": _table}[format](found, table.conditions, args.ratios)
    if format == "table":
        text += "".join(f"  - {line}\n" for line in notes)
    emit(text, args.output)
    for line in notes if format != "table" else ():
        print(f"note: {line}", file=sys.stderr)
    return Exit.OK


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _by_ending(output: Path | None) -> str:
    ending = "" if output is None else output.suffix.removeprefix(".")
    return ending if ending in ("csv", "json") else "table"


Values = Sequence[tuple[str, Value]]


def _values(row: Degradation, conditions: Sequence[str], with_ratios: bool) -> Values:
    """Return the named numbers of a row."""
    summary = [("average", row.average), ("cd", row.cd), ("rcd", row.rcd), ("rcd_pooled", row.rcd_pooled)]
    if not with_ratios:
        return summary
    behind = [(f"{kind}:{name}", found[name]) for kind, found in _behind(row) for name in conditions]
    return [*summary, *behind]


def _behind(row: Degradation) -> list[tuple[str, Any]]:
    return [("cd", row.ratios.cd), ("rcd", row.ratios.rcd)]


def _reasons(found: Sequence[Degradation], with_ratios: bool) -> list[str]:
    names: list[str] = list(found[0].ratios.cd) if found else []
    lines = {
        f"{name}: {value.reason}"
        for row in found
        for name, value in _values(row, names, with_ratios)
        if value.value is None
    }
    return sorted(lines)


def _doubts(table: ExternalTable, reference: str, scale: float) -> list[str]:
    return [
        f"rcd: under {name} the reference loses {scale * loss:.3g}, no more than the table's rounding: "
        "its ratio says nothing"
        for name, loss in doubtful(table, reference).items()
    ]


def _percent(value: Value) -> float | None:
    return None if value.value is None else 100 * value.value


def _csv(found: Sequence[Degradation], conditions: Sequence[str], with_ratios: bool) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for position, row in enumerate(found):
        values = _values(row, conditions, with_ratios)
        if position == 0:
            writer.writerow(["model", *(name for name, _ in values)])
        numbers = [_percent(value) for _, value in values]
        writer.writerow([row.model, *("" if number is None else f"{number:.4f}" for number in numbers)])
    return out.getvalue()


def _json(found: Sequence[Degradation], conditions: Sequence[str], with_ratios: bool) -> str:
    rows = []
    for row in found:
        summary = _values(row, conditions, False)
        entry: dict[str, Any] = {"model": row.model, **{name: _percent(value) for name, value in summary}}
        if with_ratios:
            entry["ratios"] = {kind: {n: _percent(values[n]) for n in conditions} for kind, values in _behind(row)}
        if reasons := {name: value.reason for name, value in summary if value.value is None}:
            entry["reasons"] = reasons
        rows.append(entry)
    return json.dumps(rows, indent=1) + "\n"


def _table(found: Sequence[Degradation], conditions: Sequence[str], with_ratios: bool) -> str:
    """Return the table as text; the ratios in a second one, a row a condition."""
    out = io.StringIO()
    terminal = Console()
    console = Console(file=out, width=terminal.width)
    drawn = _drawn(["model", "average", "CD", "rCD", "rCD pooled"])
    for row in found:
        drawn.add_row(Text(row.model), *(_shown(value) for _, value in _values(row, conditions, False)))
    console.print(drawn)
    if with_ratios:
        for kind in ("CD", "rCD"):
            console.print(f"ratios behind {kind}, percent")
            behind = _drawn(["condition", *(row.model for row in found)])
            for name in conditions:
                ratios = [row.ratios.cd if kind == "CD" else row.ratios.rcd for row in found]
                behind.add_row(Text(name), *(_shown(values[name]) for values in ratios))
            console.print(behind)
    return out.getvalue()


def _drawn(headings: Sequence[str]) -> Drawn:
    drawn = Drawn(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for position, heading in enumerate(headings):
        drawn.add_column(Text(heading), justify="right" if position else "left", no_wrap=True)
    return drawn


def _shown(value: Value) -> str:
    number = _percent(value)
    return "-" if number is None else f"{number:.1f}"
