"""Reports: the tables of a run, on the screen and as CSV, Markdown, LaTeX or SVG."""

from segharness.report.entry import TableEntry
from segharness.report.layout import Column, Report, ReportTable
from segharness.report.make import make_report, read_report

__all__ = ["Column", "Report", "ReportTable", "TableEntry", "make_report", "read_report"]
