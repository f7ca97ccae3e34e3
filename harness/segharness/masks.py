"""COCO's run-length encoding: what the counts of a mask say, whether they say it, and every segmentation as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as engine


def run_lengths(counts: bytes | str) -> npt.NDArray[np.int64]:
    """Return the run lengths of compressed counts, zeros first, as pycocotools' ``rleFrString`` reads them.

    Every character holds five bits and a mark that more follow; from the fourth on, a run is the difference to the one
    before the last.

    Raises:
        ValueError: the counts hold other characters, end in the middle of a number, or give a negative run.
    """
    raw = np.frombuffer(counts.encode() if isinstance(counts, str) else counts, dtype=np.uint8).astype(np.int64) - 48
    if not raw.size:
        return np.zeros(0, dtype=np.int64)
    if raw.min() < 0 or raw.max() > 63:
        raise ValueError("the counts hold characters that no RLE has")
    last = (raw & 32) == 0
    if not last[-1]:
        raise ValueError("the counts end in the middle of a number")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(raw.size) - np.repeat(starts, ends - starts + 1)
    if place.max() > 6:
        raise ValueError("the counts hold a number that is too large")
    values = np.add.reduceat((raw & 31) << (5 * place), starts)
    values -= np.where(raw[ends] & 16, np.int64(1) << (5 * (ends - starts + 1)), 0)
    runs = values.copy()
    for first in (1, 2):
        runs[first::2] = np.cumsum(values[first::2])
    if runs.min() < 0:
        raise ValueError("the counts give a negative run")
    lengths: npt.NDArray[np.int64] = runs
    return lengths


def check_counts(counts: bytes | str, height: int, width: int) -> None:
    """Raise ValueError if compressed counts are not those of a mask of (height, width)."""
    total = int(run_lengths(counts).sum())
    if total != height * width:
        raise ValueError(f"the counts cover {total} pixels, the image has {height * width}")


def to_rle(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Return a COCO segmentation (polygons, or an RLE of either form) as one compressed RLE."""
    if isinstance(segmentation, list):
        return dict(engine.merge(engine.fr_py_objects(segmentation, height, width)))
    if isinstance(segmentation["counts"], list):
        return dict(engine.fr_py_objects(segmentation, height, width))
    return dict(segmentation)


def to_pixels(segmentation: Any, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a COCO segmentation as pixels, uint8 (H, W)."""
    return np.asarray(engine.decode(to_rle(segmentation, height, width)))
