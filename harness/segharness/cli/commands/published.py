"""``segharness published``: printed results that plugins offer, and their CD and rCD against any of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.cli.arguments.number_types import positive
from segharness.cli.exit_codes import Exit
from segharness.cli.output import screen
from segharness.errors import UsageError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import PublishedSpec
from segharness.score.degradation import Value
from segharness.score.published import PublishedDegradation, PublishedRow, published_degradation, read_published


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Lists printed results, or computes mPC, rPC, CD and rCD of tables and rows from their printed numbers. Nothing "
        "printed is ever mixed with what was measured."
    )
    parser.add_argument(
        "names", nargs="*", metavar="TABLE[::ROW]", help="tables, or rows of them; all are listed without"
    )
    parser.add_argument(
        "--reference", metavar="TABLE::ROW", help="the row that CD and rCD divide by; default each table's own"
    )
    parser.add_argument(
        "--conditions", metavar="SET|A,B", help="a set of the table, or conditions; default its first set"
    )
    parser.add_argument("--severity", type=positive, metavar="N", help="one severity; default all that the table has")
    parser.add_argument("--metric", default="AP", help="AP (default), AP50 ...")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def execute(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    if not args.names:
        return _list(host, args.json)
    rows = [row for name in args.names for row in _rows(name, args.metric, host)]
    reference = None
    if args.reference is not None:
        named = _rows(args.reference, args.metric, host)
        if len(named) != 1:
            raise UsageError(f"--reference {args.reference}: name one row, TABLE::ROW")
        reference = named[0]
    plain = [row for row in rows if not row.spec.clean]
    found = published_degradation([row for row in rows if row.spec.clean], reference, args.conditions, args.severity)
    if args.json:
        print(json.dumps([*map(_json, found), *({"row": r.name, "values": dict(r.values)} for r in plain)], indent=1))
        return Exit.OK
    console = screen()
    if found:
        console.print(_degradations(found))
        for text in dict.fromkeys(t for each in found for v in (each.cd, each.rcd, each.mpc) if (t := v.reason)):
            console.print(f"  - {text}", highlight=False, markup=False, soft_wrap=True)
    for name in dict.fromkeys(row.spec.name for row in plain):
        console.print(_plain_table([row for row in plain if row.spec.name == name]))
    for spec in {row.spec.name: row.spec for row in (*rows, *([reference] if reference else []))}.values():
        text = f"{spec.name}: {spec.source}{', ' + spec.where if spec.where else ''}. {spec.protocol}"
        console.print(f"  - {text}", highlight=False, markup=False, soft_wrap=True)
    console.print("printed numbers, in percent; mPC, rPC, CD and rCD are computed from them", style="dim")
    return Exit.OK


def _list(host: PluginHost, as_json: bool) -> int:
    specs = host.all(PublishedSpec)
    counts = {spec.name: len(read_published(spec, next(iter(spec.tables)))) for spec in specs}
    if as_json:
        entries = [
            {"name": s.name, "rows": counts[s.name], "metrics": list(s.tables), "source": s.source, "where": s.where,
             "protocol": s.protocol, "decimals": s.decimals, "reference": s.reference, "sets": dict(s.sets)}
            for s in specs
        ]  # fmt: skip
        print(json.dumps(entries, indent=1))
        return Exit.OK
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("table", "rows", "where", "description"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for spec in specs:
        table.add_row(spec.name, str(counts[spec.name]), Text(spec.where), Text(spec.description))
    screen().print(table)
    return Exit.OK


def _rows(name: str, metric: str, host: PluginHost) -> list[PublishedRow]:
    table, _, model = name.partition("::")
    rows = read_published(host.get(table, PublishedSpec), metric)
    if not model:
        return rows
    if not (named := [row for row in rows if row.model == model]):
        raise UsageError(f"`{table}` has no row `{model}`{nearest(model, [row.model for row in rows])}")
    return named


def _percent(value: Value) -> str:
    return "-" if value.value is None else f"{100 * value.value:.1f}"


def _degradations(found: Sequence[PublishedDegradation]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    has_printed = any(each.printed for each in found)
    headings = ["row", "clean", "mPC", "rPC", "CD", "rCD", *(["printed CD", "printed rCD"] if has_printed else [])]
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "row" else "right", no_wrap=True)
    for each in found:
        clean = each.row.values.get(each.row.spec.clean)
        cells = [
            "-" if clean is None else f"{100 * clean:.1f}",
            *map(_percent, (each.mpc, each.rpc, each.cd, each.rcd)),
        ]
        for name in ("cd", "rcd") if has_printed else ():
            cells.append("" if name not in each.printed else f"{100 * each.printed[name]:.0f}")
        table.add_row(Text(each.row.name), *cells)
    return table


def _plain_table(rows: Sequence[PublishedRow]) -> Table:
    columns = list(dict.fromkeys(column for row in rows for column in row.values))
    table = Table(
        title=rows[0].spec.name, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("row")
    for column in columns:
        table.add_column(Text(column), justify="right")
    for row in rows:
        values = [f"{row.spec.scale * row.values[c]:.{row.spec.decimals}f}" if c in row.values else "" for c in columns]
        table.add_row(Text(row.model), *values)
    return table


def _json(found: PublishedDegradation) -> dict[str, Any]:
    numbers = {"mPC": found.mpc, "rPC": found.rpc, "CD": found.cd, "rCD": found.rcd}
    return {
        "row": found.row.name,
        "clean": found.row.values.get(found.row.spec.clean),
        **{name: value.value for name, value in numbers.items()},
        "printed": dict(found.printed),
        "reasons": {name: value.reason for name, value in numbers.items() if value.reason},
    }
