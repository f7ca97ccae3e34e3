"""``segharness degradation``: CD and rCD from any table of APs."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from segharness.cli.exit_codes import Exit
from segharness.cli.output import emit, say, terminal
from segharness.score.degradation import Value
from segharness.score.external_table import Degradation, ExternalTable, degradations, losses_within_rounding, read_table


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "All output is in percent, including the average. rcd_pooled is an additional number and does not replace rcd."
    )
    parser.add_argument(
        "table", type=Path, metavar="TABLE", help="CSV or Arrow file: one row per model, one column per condition"
    )
    parser.add_argument("--reference", required=True, metavar="MODEL", help="the model whose row CD and rCD divide by")
    parser.add_argument("--clean", required=True, metavar="COLUMN", help="the column of the clean APs")
    columns = parser.add_mutually_exclusive_group()
    columns.add_argument("--conditions", metavar="A,B,C", help="the columns to average over; default all others")
    columns.add_argument("--ignore", metavar="A,B", default="", help="columns that are not conditions")
    parser.add_argument(
        "--severities",
        choices=["average", "separate"],
        help="whether a number in a column's name is a severity: those of a corruption are averaged first; default: by "
        "the usual spellings, e.g. fog-3, fog_s3, fog/3",
    )
    unit = parser.add_mutually_exclusive_group(required=True)
    unit.add_argument("--percent", dest="scale", action="store_const", const=100.0, help="APs are written in percent")
    unit.add_argument("--fraction", dest="scale", action="store_const", const=1.0, help="APs are fractions")
    parser.add_argument("--ratios", action="store_true", help="also print the ratios whose means are CD and rCD")
    parser.add_argument(
        "--format",
        choices=["table", "csv", "json"],
        default=None,
        help="default table, or what the ending of FILE says",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of the screen")


def execute(args: argparse.Namespace) -> int:
    conditions = _names(args.conditions) if args.conditions is not None else None
    table = read_table(args.table, args.clean, args.scale, conditions, _names(args.ignore), args.severities)
    rows = degradations(table, args.reference)
    format = args.format or _by_ending(args.output)
    notes = [_averaged(table)]
    notes += [*_reasons(rows, args.ratios), *_rounding_notes(table, args.reference, args.scale)]
    text = {"csv": _csv, "json": _json, "table": _table}[format](rows, tuple(table.corruptions), args.ratios)
    if format == "table":
        text += "".join(f"  - {line}\n" for line in notes)
    emit(text, args.output)
    for line in notes if format != "table" else ():
        say(f"note: {line}")
    return Exit.OK


def _averaged(table: ExternalTable) -> str:
    """Return the line that says what was averaged, and which columns are severities of one corruption."""
    if all(len(columns) == 1 for columns in table.corruptions.values()):
        return f"averaged over {len(table.corruptions)} columns: {', '.join(table.corruptions)}"
    parts = [
        f"{name} (of {', '.join(columns)})" if len(columns) > 1 else name for name, columns in table.corruptions.items()
    ]
    return f"averaged over {len(parts)} corruptions, first over the severities of each: {', '.join(parts)}"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _by_ending(output: Path | None) -> str:
    ending = "" if output is None else output.suffix.removeprefix(".")
    return ending if ending in ("csv", "json") else "table"


_NamedValues = Sequence[tuple[str, Value]]


def _values(row: Degradation, conditions: Sequence[str], with_ratios: bool) -> _NamedValues:
    """Return the numbers of a row with their names."""
    summary = [("average", row.average), ("cd", row.cd), ("rcd", row.rcd), ("rcd_pooled", row.rcd_pooled)]
    if not with_ratios:
        return summary
    ratios = [(f"{kind}:{name}", values[name]) for kind, values in _ratios(row) for name in conditions]
    return [*summary, *ratios]


def _ratios(row: Degradation) -> list[tuple[str, Any]]:
    return [("cd", row.ratios.cd), ("rcd", row.ratios.rcd)]


def _reasons(rows: Sequence[Degradation], with_ratios: bool) -> list[str]:
    """Return a line for every reason why a number is missing."""
    names: list[str] = list(rows[0].ratios.cd) if rows else []
    lines = {
        f"{name}: {value.reason}"
        for row in rows
        for name, value in _values(row, names, with_ratios)
        if value.value is None
    }
    return sorted(lines)


def _rounding_notes(table: ExternalTable, reference: str, scale: float) -> list[str]:
    """Return a line for every condition under which the reference loses no more than the table's rounding."""
    return [
        f"rcd: under {name} the reference loses {scale * loss:.3g}, no more than the table's rounding: "
        "its ratio says nothing"
        for name, loss in losses_within_rounding(table, reference).items()
    ]


def _percent(value: Value) -> float | None:
    return None if value.value is None else 100 * value.value


def _csv(rows: Sequence[Degradation], conditions: Sequence[str], with_ratios: bool) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for position, row in enumerate(rows):
        values = _values(row, conditions, with_ratios)
        if position == 0:
            writer.writerow(["model", *(name for name, _ in values)])
        numbers = [_percent(value) for _, value in values]
        writer.writerow([row.model, *("" if number is None else f"{number:.4f}" for number in numbers)])
    return out.getvalue()


def _json(rows: Sequence[Degradation], conditions: Sequence[str], with_ratios: bool) -> str:
    entries = []
    for row in rows:
        summary = _values(row, conditions, False)
        entry: dict[str, Any] = {"model": row.model, **{name: _percent(value) for name, value in summary}}
        if with_ratios:
            entry["ratios"] = {kind: {n: _percent(values[n]) for n in conditions} for kind, values in _ratios(row)}
        if reasons := {name: value.reason for name, value in summary if value.value is None}:
            entry["reasons"] = reasons
        entries.append(entry)
    return json.dumps(entries, indent=1) + "\n"


def _table(rows: Sequence[Degradation], conditions: Sequence[str], with_ratios: bool) -> str:
    """Return the table as text; the ratios follow in tables of their own, with a row per condition."""
    out = io.StringIO()
    width = terminal().width
    console = terminal(file=out, width=width)
    table = _rich_table(["model", "average", "CD", "rCD", "rCD pooled"])
    for row in rows:
        table.add_row(Text(row.model), *(_cell_text(value) for _, value in _values(row, conditions, False)))
    console.print(table)
    if with_ratios:
        for kind in ("CD", "rCD"):
            console.print(f"ratios behind {kind}, percent")
            ratio_table = _rich_table(["condition", *(row.model for row in rows)])
            for name in conditions:
                ratios = [row.ratios.cd if kind == "CD" else row.ratios.rcd for row in rows]
                ratio_table.add_row(Text(name), *(_cell_text(values[name]) for values in ratios))
            console.print(ratio_table)
    return out.getvalue()


def _rich_table(headings: Sequence[str]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for position, heading in enumerate(headings):
        table.add_column(Text(heading), justify="right" if position else "left", no_wrap=True)
    return table


def _cell_text(value: Value) -> str:
    number = _percent(value)
    return "-" if number is None else f"{number:.1f}"
