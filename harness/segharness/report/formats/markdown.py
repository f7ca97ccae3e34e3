"""The tables of a report as Markdown: numbers in percent, with as many digits as the intervals support."""

from __future__ import annotations

from pathlib import Path

from segharness.escaping import markdown
from segharness.report.formats.table_texts import full_heading, row_texts
from segharness.report.layout import Report


def write(report: Report, target: Path) -> None:
    """Write the report to a file."""
    target.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """Return Markdown tables, each with its title above and its notes below."""
    lines: list[str] = []
    for table in report.tables:
        lines += [f"### {markdown(table.title)}", ""]
        headings = (table.row_heading, *(full_heading(column) for column in table.columns))
        lines.append(f"| {' | '.join(markdown(heading) for heading in headings)} |")
        lines.append("|---|" + "---:|" * len(table.columns))
        for model, entries in table.rows:
            lines.append(
                f"| {markdown(model)} | " + " | ".join(row_texts(table, entries, report.digits, "**{}**")) + " |"
            )
        lines += ["", *(f"- {markdown(note)}" for note in table.notes), *([""] if table.notes else [])]
        lines += [part for text in table.legend for part in (markdown(text), "")]
    lines += [markdown(report.legend), ""] if report.legend else []
    return "\n".join(lines)
