"""The options of the toy problem: of its data sets, and of every model for it."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.option_checks import whole_number

ENLARGED = Option("each pixel becomes a square of this many pixels a side; 1 when absent", check=whole_number(1, 16))
SHRINK = Option(
    "how many times images are shrunk first: the `enlarged` of the data set; 1 when absent", check=whole_number(1, 16)
)
