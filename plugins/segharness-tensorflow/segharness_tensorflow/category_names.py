"""The names of a network's categories. Needs only Python, 3.8 or later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "N/A", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "N/A", "backpack", "umbrella", "N/A", "N/A", "handbag", "tie",
    "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove",
    "skateboard", "surfboard", "tennis racket", "bottle", "N/A", "wine glass", "cup", "fork", "knife", "spoon",
    "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    "chair", "couch", "potted plant", "bed", "N/A", "dining table", "N/A", "N/A", "toilet", "N/A", "tv", "laptop",
    "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "N/A",
    "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's categories by id, from 1 to 90. Ids that COCO leaves out are N/A, a name that no data set has."""


def read_names(path: Any) -> list[str]:
    """Return the names in a text file, one name per line. A name may occur twice, as ``N/A`` does in COCO's ids.

    Raises:
        ValueError: the file cannot be read, or holds no names; the message begins with the path.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text in UTF-8"
        raise ValueError(f"{path}: cannot be read: {reason}; give a text file with one name per line") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names or "\0" in text:
        raise ValueError(f"{path}: holds no names; give a text file with one name per line")
    return names


def check_names(path: Any) -> str | None:
    """Return what is wrong with a file of names, for `segharness.Option`; None if it is fine."""
    try:
        read_names(path)
    except ValueError as error:
        return f"is no list of names: {error}"
    return None
