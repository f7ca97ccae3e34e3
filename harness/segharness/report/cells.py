"""What text formats print of a table: headings, and a row's numbers."""

from __future__ import annotations

from collections.abc import Sequence

from segharness.report.entry import TableEntry
from segharness.report.layout import Column, PaperTable


def full_heading(column: Column) -> str:
    """Return a column's heading, and the group that it stands under."""
    return f"{column.group}: {column.heading}" if column.group else column.heading


def texts(table: PaperTable, entries: Sequence[TableEntry], digits: int | None, bold: str) -> list[str]:
    """Return a row's numbers; the best of each column in `bold`."""
    found = []
    for position, (column, entry) in enumerate(zip(table.columns, entries, strict=True)):
        number = entry.text(digits)
        interval = entry.text(digits, column.brackets).removeprefix(number)
        best = entry.number is not None and number == table.best(position, digits)
        found.append((bold.format(number) if best else number) + interval)
    return found
