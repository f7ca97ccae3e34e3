"""Numbers -> what people read."""

from segharness.report.layout import Column, Entry, PaperTable, Report, make_report, read_report

__all__ = ["Column", "Entry", "PaperTable", "Report", "make_report", "read_report"]
