"""Reports: the tables of a run, on the screen and as CSV, Markdown, LaTeX or SVG."""

from segharness.report.entry import TableEntry
from segharness.report.from_results import make_report, read_report
from segharness.report.layout import Column, Report, ReportTable
from segharness.report.printed_tables import PrintedRows

__all__ = ["Column", "PrintedRows", "Report", "ReportTable", "TableEntry", "make_report", "read_report"]
