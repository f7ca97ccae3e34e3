"""The forms of a report: each module has `render`, which returns a report as a document."""
