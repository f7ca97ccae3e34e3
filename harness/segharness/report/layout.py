"""The parts of a report: tables of entries, with titles, columns and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segharness.report.entry import TableEntry

if TYPE_CHECKING:
    import pyarrow as pa

LEGEND = "95 % intervals in brackets; of CD, rCD and pooled the smaller is the better; the best of a column is bold"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: what its numbers are of.
        group: the heading above it (``blur``); columns of one group stand side by side.
        lower_is_better: whether the smallest number is the best.
        shows_interval: whether it shows intervals.
    """

    heading: str
    group: str = ""
    lower_is_better: bool = False
    shows_interval: bool = False


@dataclass(frozen=True)
class ReportTable:
    """One table, with a row per model, category or corruption.

    Attributes:
        title: what the table shows.
        columns: of the numbers, without the column of row names.
        rows: the name and the entries of each row.
        notes: lines below it: why numbers are missing, severities, versions of corruption families, devices.
        row_heading: what a row is, the heading of the row names.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[TableEntry, ...]], ...]
    notes: tuple[str, ...]
    row_heading: str = "model"

    def best(self, position: int, digits: int | None) -> str | None:
        """Return the best number of a column as printed; None unless rows are models and at least two have a number."""
        entries = [entries[position] for _, entries in self.rows if entries[position].number is not None]
        if self.row_heading != "model" or len(entries) < 2:
            return None
        sign = -1 if self.columns[position].lower_is_better else 1
        return max(entries, key=lambda entry: sign * (entry.number or 0.0)).text(digits)


@dataclass(frozen=True)
class Report:
    """The results of a run, as a reporter gets them.

    Attributes:
        results: the table of results.arrow.
        manifest: the run's manifest.
        tables: the results laid out as papers print them.
        digits: decimals to print; None for as many as the interval of each number supports.
    """

    results: pa.Table
    manifest: Mapping[str, Any]
    tables: tuple[ReportTable, ...]
    digits: int | None = None
