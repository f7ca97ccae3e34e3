"""Enlarging and shrinking by whole factors.

Corruptions have sizes in pixels, so small images are enlarged before they are corrupted.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def enlarged(array: npt.NDArray[Any], times: int, axes: tuple[int, int]) -> npt.NDArray[Any]:
    """Return an array whose pixels are repeated along two axes: each becomes a square of `times` x `times`."""
    for axis in axes:
        array = array.repeat(times, axis=axis)
    return array


def shrunk(image: Image, times: int) -> Image:
    """Return the image, uint8 (H, W, 3), with every square of `times` x `times` pixels as one pixel: its rounded mean.

    It undoes `enlarged` exactly.

    Raises:
        ValueError: a side is not a multiple of `times`.

    Example:
        >>> image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        >>> np.array_equal(shrunk(enlarged(image, 4, (0, 1)), 4), image)
        True
    """
    height, width = image.shape[:2]
    if height % times or width % times:
        raise ValueError(f"an image of {width}x{height} cannot be shrunk {times} times; see the option `shrink`")
    if times == 1:
        return image
    return cv2.resize(image, (width // times, height // times), interpolation=cv2.INTER_AREA).astype(np.uint8)
