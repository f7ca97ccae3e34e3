"""Numbers -> what people read."""

from segharness.report.entry import TableEntry
from segharness.report.layout import Column, PaperTable, Report
from segharness.report.make import make_report, read_report

__all__ = ["Column", "PaperTable", "Report", "TableEntry", "make_report", "read_report"]
