"""Image files: corrupted images, contact sheets, and corrupted copies of a data set."""

from segharness.export.copy import Copy, CopyOutcome, copy_dataset
from segharness.export.corruption_sheet import contact_sheet
from segharness.export.image_files import read_image, write_png
from segharness.export.mask_sheet import Picture, overlay, overlay_sheet

__all__ = [
    "Copy",
    "CopyOutcome",
    "Picture",
    "contact_sheet",
    "copy_dataset",
    "overlay",
    "overlay_sheet",
    "read_image",
    "write_png",
]
