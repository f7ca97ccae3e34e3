"""The parts of a report: tables of entries, with titles, columns and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from segharness.plugin.metric_specs import FRACTION, Better, Metric
from segharness.report.entry import TableEntry

if TYPE_CHECKING:
    import pyarrow as pa

    from segharness.store import RunFolder


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: what its numbers are of.
        group: the heading above it (``blur``); columns of one group stand side by side.
        unit: of its numbers; fractions are in percent.
        better: whether the ``"larger"`` or the ``"smaller"`` number is the better one, or ``"neither"``.
        shows_interval: whether it shows intervals.
    """

    heading: str
    group: str = ""
    _: KW_ONLY
    unit: str = FRACTION
    better: Better = "larger"
    shows_interval: bool = False

    @classmethod
    def of(cls, metric: Metric, heading: str, group: str = "", *, shows_interval: bool = False) -> Column:
        """Return a column of a metric."""
        return cls(heading, group, unit=metric.unit, better=metric.better, shows_interval=shows_interval)


@dataclass(frozen=True)
class ReportTable:
    """One table, with a row per model, category or corruption.

    Attributes:
        title: what the table shows.
        columns: of the numbers, without the column of row names.
        rows: the name and the entries of each row.
        notes: lines below it: why numbers are missing, severities, versions of corruption families, devices, units.
        legend: further lines below it, which say how its numbers are to be read.
        row_heading: what a row is, the heading of the row names.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[TableEntry, ...]], ...]
    notes: tuple[str, ...]
    legend: tuple[str, ...] = ()
    row_heading: str = "model"

    def is_best(self, position: int, entry: TableEntry, digits: int | None) -> bool:
        """Return whether an entry of a column is its best number as printed.

        There is a best number only if rows are models, at least two have a number, and one direction is better.
        """
        ranked = [
            entries[position]
            for _, entries in self.rows
            if entries[position].number is not None and entries[position].ranked
        ]
        better = self.columns[position].better
        if self.row_heading != "model" or len(ranked) < 2 or better == "neither":
            return False
        sign = -1 if better == "smaller" else 1
        best = max(ranked, key=lambda other: sign * (other.number or 0.0))
        return entry.number is not None and entry.ranked and entry.text(digits) == best.text(digits)


@dataclass(frozen=True)
class Report:
    """The results of a run, as a reporter gets them.

    Attributes:
        results: the table of results.arrow.
        manifest: the run's manifest.
        run: the run folder, for its predictions; None if the report was made from a results file alone.
        tables: the results laid out as papers print them.
        digits: decimals to print; None for as many as the interval of each number supports.
    """

    results: pa.Table
    manifest: Mapping[str, Any]
    tables: tuple[ReportTable, ...]
    digits: int | None = None
    run: RunFolder | None = None

    @property
    def legend(self) -> str:
        """The line below all tables: what brackets and bold numbers mean, if there are any; or an empty text."""
        shown = [
            (table, position, entry)
            for table in self.tables
            for _, entries in table.rows
            for position, entry in enumerate(entries)
        ]
        parts = (
            any(t.columns[p].shows_interval and e.low is not None and e.high != e.low for t, p, e in shown),
            any(table.is_best(position, entry, self.digits) for table, position, entry in shown),
        )
        texts = ("95 % intervals in brackets", "the best of a column is bold")
        return "; ".join(text for text, there in zip(texts, parts, strict=True) if there)
