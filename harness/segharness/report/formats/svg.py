"""The tables of a report as a picture (SVG), as a wide terminal would show them."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement

from segharness.escaping import guarded
from segharness.report.console import rich_table, show
from segharness.report.layout import Report

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_MARGIN = 2


def write(report: Report, target: Path) -> None:
    """Write the report to a file."""
    target.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """Return one SVG of all tables, each in one piece, in the viewer's monospaced font."""
    unbounded = Console(width=100_000, file=io.StringIO())
    rich_tables = [rich_table(table, report.digits) for table in report.tables]
    widths = [Measurement.get(unbounded, unbounded.options, table).maximum for table in rich_tables]
    lines = [len(line) for table in report.tables for line in (table.title, *table.notes, *table.legend)]
    console = guarded(
        Console(
            width=max([60, *widths, *(length + 4 for length in lines)]) + _MARGIN,
            record=True,
            file=io.StringIO(),
            force_terminal=True,
        )
    )
    show(report, console)
    return _FONTS.sub("", console.export_svg(title="segharness report")).replace("Fira Code", "ui-monospace")
