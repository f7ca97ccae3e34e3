"""The headings and numbers of a table as text, for the document formats."""

from __future__ import annotations

from collections.abc import Sequence

from segharness.report.entry import TableEntry
from segharness.report.layout import Column, ReportTable


def full_heading(column: Column) -> str:
    """Return a column's heading with its group before it, if it has one: ``blur: motion``."""
    return f"{column.group}: {column.heading}" if column.group else column.heading


def row_texts(table: ReportTable, entries: Sequence[TableEntry], digits: int | None, bold: str) -> list[str]:
    """Return the numbers of a row, one text per column.

    Args:
        table: whose row it is.
        entries: of the row.
        digits: decimals to print; see `Report`.
        bold: a format string around the best number of a column, ``**{}**``.
    """
    cells = []
    for position, (column, entry) in enumerate(zip(table.columns, entries, strict=True)):
        number = entry.text(digits)
        interval = entry.text(digits, column.shows_interval).removeprefix(number)
        best = table.is_best(position, entry, digits)
        cells.append((bold.format(number) if best else number) + interval)
    return cells
