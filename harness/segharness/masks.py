"""COCO's run-length encoding (RLE): decoding and checking counts, and converting segmentations to RLE and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle


def run_lengths(counts: bytes | str) -> npt.NDArray[np.int64]:
    """Return the run lengths of compressed counts, int64 (N,), zeros first, as pycocotools' ``rleFrString`` does.

    Every character holds five bits, and one that says whether the number goes on. From the fourth number on, it is the
    difference to the run before the last.

    Raises:
        ValueError: the counts hold other characters, end in the middle of a number, hold a number that is too large, or
            give a negative run.

    Example:
        >>> run_lengths(b"512").tolist()
        [5, 1, 2]
    """
    raw = np.frombuffer(counts.encode() if isinstance(counts, str) else counts, dtype=np.uint8).astype(np.int64) - 48
    if not raw.size:
        return np.zeros(0, dtype=np.int64)
    if raw.min() < 0 or raw.max() > 63:
        raise ValueError("the counts hold characters that no RLE has")
    is_last = (raw & 32) == 0
    if not is_last[-1]:
        raise ValueError("the counts end in the middle of a number")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    position = np.arange(raw.size) - np.repeat(starts, ends - starts + 1)
    if position.max() > 6:
        raise ValueError("the counts hold a number that is too large")
    values = np.add.reduceat((raw & 31) << (5 * position), starts)
    values -= np.where(raw[ends] & 16, np.int64(1) << (5 * (ends - starts + 1)), 0)
    runs = values.copy()
    for start in (1, 2):
        runs[start::2] = np.cumsum(values[start::2])
    if runs.min() < 0:
        raise ValueError("the counts give a negative run")
    lengths: npt.NDArray[np.int64] = runs
    return lengths


def check_counts(counts: bytes | str, height: int, width: int) -> None:
    """Raise ValueError if compressed counts are not those of a mask of (height, width).

    Example:
        >>> check_counts(b"512", 3, 3)
        Traceback (most recent call last):
        ...
        ValueError: the counts cover 8 pixels, the image has 9
    """
    total = int(run_lengths(counts).sum())
    if total != height * width:
        raise ValueError(f"the counts cover {total} pixels, the image has {height * width}")


def to_rle(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Return a COCO segmentation (polygons, or an RLE of either form) as one compressed RLE.

    Example:
        >>> to_rle([[0, 0, 2, 0, 2, 2, 0, 2]], height=2, width=4)
        {'size': [2, 4], 'counts': b'044'}
    """
    if isinstance(segmentation, list):
        return dict(rle.merge(rle.fr_py_objects(segmentation, height, width)))
    if isinstance(segmentation["counts"], list):
        return dict(rle.fr_py_objects(segmentation, height, width))
    return dict(segmentation)


def to_pixels(segmentation: Any, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a COCO segmentation as pixels, uint8 (H, W).

    Example:
        >>> to_pixels({"size": [2, 4], "counts": b"044"}, height=2, width=4).tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    return np.asarray(rle.decode(to_rle(segmentation, height, width)))
