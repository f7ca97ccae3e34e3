"""Options of the YOLO models."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.checks import names, number, one_of, whole_number

OPTIONS = {
    "confidence": Option("class scores up to this are dropped; 0.001", check=number(0, 1)),
    "iou": Option("of overlapping boxes of a class, those with a greater IoU are suppressed; 0.7", check=number(0, 1)),
    "most": Option("at most so many instances an image; 100", check=whole_number(1)),
    "crop": Option(
        "masks end `prototype`: with the logits around the box, as exporters decode; or `box`: at the box",
        check=one_of("prototype", "box"),
    ),
    "categories": Option("class names, where the file has none and they are not COCO's 80", check=names),
}
