"""The tables of a report as LaTeX: numbers in percent, with as many digits as the intervals support."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from segharness.escaping import latex, line
from segharness.report.formats.table_texts import row_texts
from segharness.report.layout import Report, ReportTable

BOLD = r"\textbf{{{}}}"
"""The format string around the best number of a column."""


def write(report: Report, target: Path) -> None:
    """Write the report to a file."""
    target.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """Return LaTeX tables (package booktabs), with corruption categories above the corruptions."""
    return "\n".join(_latex(table, report.digits) for table in report.tables)


def _latex(table: ReportTable, digits: int | None) -> str:
    spans = [(group, len(list(columns))) for group, columns in groupby(table.columns, key=lambda c: c.group)]
    above = " & ".join(rf"\multicolumn{{{count}}}{{c}}{{{latex(group)}}}" for group, count in spans)
    headings = " & ".join(latex(column.heading) for column in table.columns)
    rows = [
        f"{latex(model)} & {' & '.join(row_texts(table, entries, digits, BOLD))} \\\\" for model, entries in table.rows
    ]
    return "\n".join(
        [
            rf"% {line(table.title)}; needs \usepackage{{booktabs}}",
            *(f"% {line(text)}" for text in (*table.notes, *table.legend)),
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            rf" & {above} \\",
            rf"{latex(table.row_heading)} & {headings} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
