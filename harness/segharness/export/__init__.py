"""Corrupted images as files: one by one, as a contact sheet, as a copy of a data set."""

from segharness.export.copy import Copy, CopyOutcome, copy_dataset
from segharness.export.files import read_image, write_png
from segharness.export.sheet import contact_sheet

__all__ = ["Copy", "CopyOutcome", "contact_sheet", "copy_dataset", "read_image", "write_png"]
