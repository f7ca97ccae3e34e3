"""The tables of a report as CSV, Markdown and LaTeX. Numbers in percent, one decimal; CSV has them all."""

from __future__ import annotations

import csv as csv_writer
import io
from itertools import groupby

from segharness.report.layout import Column, Entry, PaperTable, Report

_LATEX = str.maketrans({c: f"\\{c}" for c in "_%&#$"})


def csv(report: Report) -> str:
    """Return one CSV: a row a table and model; missing numbers are empty."""
    out = io.StringIO()
    writer = csv_writer.writer(out, lineterminator="\n")
    for position, table in enumerate(report.tables):
        if position == 0 or table.columns != report.tables[position - 1].columns:
            writer.writerow(["table", "model", *(_full(column) for column in table.columns)])
        for model, entries in table.rows:
            numbers = ["" if entry.percent is None else f"{entry.percent:.4f}" for entry in entries]
            writer.writerow([table.title, model, *numbers])
    return out.getvalue()


def markdown(report: Report) -> str:
    """Return Markdown tables with headings and the reasons for what is missing."""
    lines: list[str] = []
    for table in report.tables:
        lines += [f"### {table.title}", ""]
        lines.append("| model | " + " | ".join(_full(column) for column in table.columns) + " |")
        lines.append("|---|" + "---:|" * len(table.columns))
        for model, entries in table.rows:
            lines.append(f"| {model} | " + " | ".join(_rounded(entry) for entry in entries) + " |")
        lines += ["", *(f"- {note}" for note in table.notes), *([""] if table.notes else [])]
    return "\n".join(lines)


def latex(report: Report) -> str:
    """Return LaTeX tables (package booktabs), categories above the corruptions."""
    return "\n".join(_latex(table) for table in report.tables)


def _latex(table: PaperTable) -> str:
    spans = [(group, len(list(columns))) for group, columns in groupby(table.columns, key=lambda c: c.group)]
    above = " & ".join(rf"\multicolumn{{{count}}}{{c}}{{{group.translate(_LATEX)}}}" for group, count in spans)
    headings = " & ".join(column.heading.translate(_LATEX) for column in table.columns)
    rows = [
        f"{model.translate(_LATEX)} & {' & '.join(_rounded(entry) for entry in entries)} \\\\"
        for model, entries in table.rows
    ]
    return "\n".join(
        [
            rf"% {table.title}",
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            rf" & {above} \\",
            rf"model & {headings} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _full(column: Column) -> str:
    return f"{column.group}: {column.heading}" if column.group else column.heading


def _rounded(entry: Entry) -> str:
    return "-" if entry.percent is None else f"{entry.percent:.1f}"
