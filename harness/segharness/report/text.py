"""The tables of a report as CSV, Markdown and LaTeX. Numbers in percent, as many digits as mean something; CSV has all."""

from __future__ import annotations

import csv as csv_writer
import io
from collections.abc import Sequence
from itertools import groupby

from segharness.report.entry import Entry
from segharness.report.layout import Column, PaperTable, Report

BOLD = r"\textbf{{{}}}"

_LATEX = str.maketrans({c: f"\\{c}" for c in "_%&#$"})


def csv(report: Report) -> str:
    """Return one CSV: a row a table and model; missing numbers are empty, intervals have columns of their own."""
    out = io.StringIO()
    writer = csv_writer.writer(out, lineterminator="\n")
    for position, table in enumerate(report.tables):
        if position == 0 or table.columns != report.tables[position - 1].columns:
            writer.writerow(["table", table.first, *(name for column in table.columns for name in _names(column))])
        for model, entries in table.rows:
            numbers: list[str] = []
            for column, entry in zip(table.columns, entries, strict=True):
                found = (entry.number, entry.low, entry.high) if column.brackets else (entry.number,)
                numbers += ["" if number is None else f"{number:.4f}" for number in found]
            writer.writerow([table.title, model, *numbers])
    return out.getvalue()


def markdown(report: Report) -> str:
    """Return Markdown tables with headings and the reasons for what is missing."""
    lines: list[str] = []
    for table in report.tables:
        lines += [f"### {table.title}", ""]
        lines.append(f"| {table.first} | " + " | ".join(_full(column) for column in table.columns) + " |")
        lines.append("|---|" + "---:|" * len(table.columns))
        for model, entries in table.rows:
            lines.append(f"| {model} | " + " | ".join(_cells(table, entries, report.digits, "**{}**")) + " |")
        lines += ["", *(f"- {note}" for note in table.notes), *([""] if table.notes else [])]
    return "\n".join(lines)


def latex(report: Report) -> str:
    """Return LaTeX tables (package booktabs), categories above the corruptions."""
    return "\n".join(_latex(table, report.digits) for table in report.tables)


def _latex(table: PaperTable, digits: int | None) -> str:
    spans = [(group, len(list(columns))) for group, columns in groupby(table.columns, key=lambda c: c.group)]
    above = " & ".join(rf"\multicolumn{{{count}}}{{c}}{{{group.translate(_LATEX)}}}" for group, count in spans)
    headings = " & ".join(column.heading.translate(_LATEX) for column in table.columns)
    rows = [
        f"{model.translate(_LATEX)} & {' & '.join(_cells(table, entries, digits, BOLD))} \\\\"
        for model, entries in table.rows
    ]
    return "\n".join(
        [
            rf"% {table.title}; needs \usepackage{{booktabs}}",
            *(f"% {note}" for note in table.notes),
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            rf" & {above} \\",
            rf"{table.first} & {headings} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _full(column: Column) -> str:
    return f"{column.group}: {column.heading}" if column.group else column.heading


def _names(column: Column) -> list[str]:
    """Return the headings of a column in CSV: its own, and those of its interval."""
    name = _full(column)
    return [name, f"{name} low", f"{name} high"] if column.brackets else [name]


def _cells(table: PaperTable, entries: Sequence[Entry], digits: int | None, bold: str) -> list[str]:
    """Return a row's numbers; the best of each column in `bold`."""
    found = []
    for position, (column, entry) in enumerate(zip(table.columns, entries, strict=True)):
        number = entry.text(digits)
        interval = entry.text(digits, column.brackets).removeprefix(number)
        best = entry.number is not None and number == table.best(position, digits)
        found.append((bold.format(number) if best else number) + interval)
    return found
