"""COCO's run-length encoding (RLE): decoding and checking counts, and converting segmentations to RLE and pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from hotcoco import mask as rle

if TYPE_CHECKING:
    import pyarrow as pa


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


def first_wrong_counts(masks: pa.BinaryArray, pixels: npt.NDArray[np.int64]) -> tuple[int, str] | None:
    """Return the first of many compressed counts that is not that of a mask of its size, and what is wrong; or None.

    It applies the rules of `run_lengths` and `check_counts` to all of them at once.

    Args:
        masks: the counts, without nulls.
        pixels: int64 (N,), height times width of the image of each.

    Example:
        >>> import pyarrow as pa
        >>> first_wrong_counts(pa.array([b"512", b"512"], pa.binary()), np.array([8, 9]))
        (1, 'the counts cover 8 pixels, the image has 9')
    """
    offsets = np.frombuffer(masks.buffers()[1], dtype=np.int32)[masks.offset : masks.offset + len(masks) + 1]
    first = 0
    while first < len(masks):  # parts that fit the processor's cache
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _CACHED, side="right")) - 1)
        raw = np.frombuffer(masks.buffers()[2] or b"", dtype=np.uint8)[offsets[first] : offsets[last]]
        wrong = np.flatnonzero(_pixels_of(raw, (offsets[first : last + 1] - offsets[first])) != pixels[first:last])
        if len(wrong):
            row = first + int(wrong[0])
            try:
                check_counts(masks[row].as_py(), 1, int(pixels[row]))
            except ValueError as error:
                return row, str(error)
            raise AssertionError("the two checks of counts disagree")
        first = last
    return None


_CACHED = 1 << 15


def _pixels_of(text: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return how many pixels each of N counts covers, int64 (N,); -1 for counts that break a rule of `run_lengths`.

    Args:
        text: all their characters.
        bounds: (N + 1,), where each begins in it.
    """
    raw = text.astype(np.int64) - 48
    totals = np.zeros(len(bounds) - 1, dtype=np.int64)
    if not raw.size:
        return totals
    every = np.arange(len(totals))
    sizes = np.diff(bounds)
    owner = np.repeat(every, sizes)
    filled = np.flatnonzero(sizes)
    final = bounds[1:][filled] - 1
    is_last = (raw & 32) == 0
    broken = np.zeros(len(totals), dtype=bool)
    broken[owner[(raw < 0) | (raw > 63)]] = True
    broken[filled[~is_last[final]]] = True
    is_last[final] = True  # so that every number below lies in one mask
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    position = np.arange(raw.size) - np.repeat(starts, ends - starts + 1)
    broken[owner[position > 6]] = True
    values = np.add.reduceat((raw & 31) << (5 * np.minimum(position, 6)), starts)
    values -= np.where(raw[ends] & 16, np.int64(1) << (5 * np.minimum(ends - starts + 1, 7)), 0)
    of = owner[starts]
    number = np.arange(len(of)) - np.searchsorted(of, every)[of]  # of the run in its mask
    runs = values.copy()
    for parity in (1, 2):  # from the fourth number on, a number is the difference to the run before the last
        chosen = np.flatnonzero((number >= parity) & ((number ^ parity) & 1 == 0))
        if len(chosen):
            sums = np.concatenate([[0], np.cumsum(values[chosen])])
            runs[chosen] = sums[1:] - sums[np.searchsorted(of[chosen], every)][of[chosen]]
    broken[of[runs < 0]] = True
    sums = np.concatenate([[0], np.cumsum(runs)])
    totals = np.diff(sums[np.searchsorted(of, np.arange(len(totals) + 1))])
    return np.where(broken, -1, totals)


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
