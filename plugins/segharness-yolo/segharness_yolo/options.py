"""Options of the model ``yolo/seg``."""

from __future__ import annotations

from typing import Any

from segharness import Option
from segharness.plugin.option_checks import either, names, number, one_of, whole_number


def _two_sides(value: Any) -> str | None:
    """Check that a value is [height, width]."""
    if isinstance(value, list) and len(value) == 2 and all(type(side) is int and 32 <= side <= 8192 for side in value):
        return None
    return f"is {value!r:.60}, not [height, width]"


OPTIONS = {
    "confidence": Option("drop class scores up to this; 0.001", check=number(0, 1)),
    "iou": Option("suppress boxes whose IoU with a better box of the same class is greater; 0.7", check=number(0, 1)),
    "most": Option("the most instances per image; 100", check=whole_number(1)),
    "crop": Option(
        "where masks end: `box`: at the box, as the published mask AP; `prototype`: near it, as predictors do for speed; "
        "box when absent",
        check=one_of("prototype", "box"),
    ),
    "size": Option(
        "of the input, for a file that leaves it open: 640, or [height, width]",
        check=either(whole_number(32, 8192), _two_sides),
    ),
    "categories": Option("class names, needed if the file has none and they are not COCO's 80", check=names),
}
