"""Options of the toy problem: of its data sets, and of every model for it."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.checks import whole_number

ENLARGED = Option("each pixel is a square of so many along a side; 1", check=whole_number(1, 16))
SHRINK = Option("an image is shrunk so many times first: the `enlarged` of its data set; 1", check=whole_number(1, 16))
