"""The tables of a report as CSV: numbers in percent, with all their digits."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from segharness.escaping import csv_text
from segharness.plugin.metric_specs import FRACTION
from segharness.report.formats.table_texts import full_heading
from segharness.report.layout import Column, Report


def write(report: Report, target: Path) -> None:
    """Write the report to a file."""
    target.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """Return one CSV with a row per table and model; missing numbers are empty, intervals have columns of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    headings: object = None
    for table in report.tables:
        if headings != (headings := (table.row_heading, table.columns)):
            names = ["table", table.row_heading, *(name for column in table.columns for name in _names(column))]
            writer.writerow([csv_text(name) for name in names])
        for model, entries in table.rows:
            texts: list[str] = []
            for column, entry in zip(table.columns, entries, strict=True):
                numbers = (entry.number, entry.low, entry.high) if column.shows_interval else (entry.number,)
                texts += [_text(number, column.unit) for number in numbers]
            writer.writerow([csv_text(table.title), csv_text(model), *texts])
    return out.getvalue()


def _names(column: Column) -> list[str]:
    """Return the headings of a column in CSV: its own, and those of its interval if it shows one."""
    name = full_heading(column)
    return [name, f"{name} low", f"{name} high"] if column.shows_interval else [name]


def _text(number: float | None, unit: str) -> str:
    """Return a number with all its digits: percent with four decimals, others with ten significant digits."""
    if number is None:
        return ""
    return f"{number:.4f}" if unit == FRACTION else f"{number:.10g}"
