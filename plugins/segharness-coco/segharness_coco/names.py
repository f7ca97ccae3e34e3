"""COCO's categories by name: the VOC split, names that other taxonomies use for them, and their ids."""

from __future__ import annotations

VOC = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "boat", "bird", "cat", "dog", "horse", "sheep",
    "cow", "bottle", "chair", "couch", "potted plant", "dining table", "tv",
)  # fmt: skip
"""The 20 categories of PASCAL VOC, under COCO's names (ids 1 2 3 4 5 6 7 9 16 17 18 19 20 21 44 62 63 64 67 72)."""

NON_VOC = (
    "truck", "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "elephant", "bear", "zebra",
    "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "wine glass", "cup", "fork", "knife",
    "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "bed", "toilet", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""The other 60 categories of COCO."""

ALIASES = {
    "airplane": ("aeroplane",),
    "motorcycle": ("motorbike",),
    "couch": ("sofa",),
    "potted plant": ("pottedplant",),
    "dining table": ("diningtable",),
    "tv": ("tvmonitor", "tv monitor"),
    "hair drier": ("hair dryer",),
    "donut": ("doughnut",),
    "person": ("pedestrian",),
    "cell phone": ("mobile phone",),
}
"""Other names of a category, by COCO's name."""


def aliases(name: str) -> tuple[str, ...]:
    """Return the other names of a category; frameworks leave out the endings of stuff's names.

    Example:
        >>> aliases("wall-other-merged")
        ('wall',)
    """
    short = name.replace("-other", "").replace("-merged", "")
    return ALIASES.get(name, ()) + ((short,) if short != name else ())


IDS = dict(
    zip(
        (
            "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
            "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
            "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
            "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
            "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
            "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
            "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
            "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
            "teddy bear", "hair drier", "toothbrush",
        ),
        (id for id in range(1, 91) if id not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)),
        strict=True,
    )
)  # fmt: skip
"""COCO's category ids by name; they leave out ten of the numbers from 1 to 90."""
