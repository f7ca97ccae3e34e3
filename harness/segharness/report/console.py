"""The tables of a report on a terminal: in one piece if it is wide enough, else split between column groups."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from segharness.escaping import line
from segharness.report.entry import TableEntry
from segharness.report.layout import Report, ReportTable


def show(report: Report, console: Console) -> None:
    """Print every table of a report, with the reasons for what is missing."""
    for table in report.tables:
        console.print(Text(line(table.title), style="bold"), soft_wrap=True)
        for positions in _parts(table, console, report.digits):
            console.print(_rich(table, positions, report.digits))
        for note in table.notes:
            console.print(f"  - {line(note)}", highlight=False, markup=False, soft_wrap=True)
        for text in table.legend:
            console.print(Text(line(text), style="dim"), soft_wrap=True)
        console.print()
    if report.legend:
        console.print(Text(report.legend, style="dim"), soft_wrap=True)


def _parts(table: ReportTable, console: Console, digits: int | None) -> list[list[int]]:
    """Pack the column groups into as few tables as the console's width allows; a group that is too wide is divided."""
    parts: list[list[int]] = []
    for _, members in groupby(enumerate(table.columns), key=lambda pair: pair[1].group):
        group = [position for position, _ in members]
        fits = _width(table, group, console, digits) <= console.width
        for piece in [group] if fits else [[position] for position in group]:
            wider = [*parts[-1], *piece] if parts else piece
            if parts and _width(table, wider, console, digits) <= console.width:
                parts[-1] = wider
            else:
                parts.append(piece)
    return parts or [[]]


def rich_table(table: ReportTable, digits: int | None) -> Table:
    """Return a table in one piece, without its title."""
    return _rich(table, range(len(table.columns)), digits)


def _width(table: ReportTable, positions: Sequence[int], console: Console, digits: int | None) -> int:
    """Return the width that a table takes if the console does not limit it."""
    unbounded = console.options.update(width=100_000)
    return Measurement.get(console, unbounded, _rich(table, positions, digits)).maximum


def _rich(table: ReportTable, positions: Sequence[int], digits: int | None) -> Table:
    rich_table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    rich_table.add_column(Text(table.row_heading), no_wrap=True, vertical="bottom")
    before = None
    for position in positions:
        column = table.columns[position]
        first_of_group = column.group if column.group != before else ""
        before = column.group
        heading = Text.assemble((first_of_group, "italic"), "\n", column.heading)
        rich_table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    for name, entries in table.rows:
        cells = [
            _cell(entries[p], table.is_best(p, entries[p], digits), digits, table.columns[p].shows_interval)
            for p in positions
        ]
        rich_table.add_row(Text(name), *cells)
    return rich_table


def _cell(entry: TableEntry, best: bool, digits: int | None, brackets: bool) -> Text:
    number = entry.text(digits)
    interval = entry.text(digits, brackets).removeprefix(number)
    return Text().append(number, "dim" if entry.number is None else "bold" if best else "").append(interval, "dim")
