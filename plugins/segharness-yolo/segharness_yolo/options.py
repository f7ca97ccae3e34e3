"""Options of the model ``yolo/seg``."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.option_checks import names, number, one_of, whole_number

OPTIONS = {
    "confidence": Option("drop class scores up to this; 0.001", check=number(0, 1)),
    "iou": Option("suppress boxes whose IoU with a better box of the same class is greater; 0.7", check=number(0, 1)),
    "most": Option("the most instances per image; 100", check=whole_number(1)),
    "crop": Option(
        "where masks end: `prototype`: near the box, as exporters decode; `box`: at the box; prototype when absent",
        check=one_of("prototype", "box"),
    ),
    "categories": Option("class names, needed if the file has none and they are not COCO's 80", check=names),
}
