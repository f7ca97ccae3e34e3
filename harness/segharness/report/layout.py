"""What a report is made of: tables of entries, with titles, columns and notes."""

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
        heading: what it is of.
        group: what it stands under (``blur``).
        lower_is_better: of which the best number is the smallest.
        brackets: whether intervals are shown in it.
    """

    heading: str
    group: str = ""
    lower_is_better: bool = False
    brackets: bool = False


@dataclass(frozen=True)
class PaperTable:
    """One table: a row a model, or a category, or a corruption.

    Attributes:
        title: what it is of.
        columns: of the numbers; the row's name comes before them.
        rows: (name, entries).
        notes: reasons for what is missing, each once; the families of corruptions that have a name, with versions.
        first: what the rows are.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[TableEntry, ...]], ...]
    notes: tuple[str, ...]
    first: str = "model"

    def best(self, position: int, digits: int | None) -> str | None:
        """Return what the best number of a column is printed as, where rows are models and there are several."""
        entries = [entries[position] for _, entries in self.rows if entries[position].number is not None]
        if self.first != "model" or len(entries) < 2:
            return None
        sign = -1 if self.columns[position].lower_is_better else 1
        return max(entries, key=lambda entry: sign * (entry.number or 0.0)).text(digits)


@dataclass(frozen=True)
class Report:
    """The results of a run, for a reporter.

    Attributes:
        results: the table as in results.arrow.
        manifest: of the run.
        tables: the results laid out as papers print them.
        digits: decimals to print; None for no more than the interval of each number supports.
    """

    results: pa.Table
    manifest: Mapping[str, Any]
    tables: tuple[PaperTable, ...]
    digits: int | None = None
