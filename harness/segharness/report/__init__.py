"""Numbers -> what people read."""

from segharness.report.entry import Entry
from segharness.report.layout import Column, PaperTable, Report, make_report, read_report

__all__ = ["Column", "Entry", "PaperTable", "Report", "make_report", "read_report"]
