"""The frame of every corruption: checks of its arguments, bands of rows, and floats to uint8."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from segharness_corruptions.catalogue import SMALLEST

Image: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Corruption: TypeAlias = Callable[[Image, int, np.random.Generator], Image]

NUDGE = 2.0**-12
"""Levels added before a float is truncated, so that its last bit does not decide flat areas."""
ROUND_DOWN = NUDGE - 0.5
"""Levels added before OpenCV rounds to the nearest level, so that the result is truncated."""
_BAND = 1 << 18
"""About how many values a band holds."""


def corruption(function: Corruption) -> Corruption:
    """Return the function with checks of its arguments in front (a decorator).

    Raises:
        TypeError: the image is not a uint8 array, or `rng` is not a numpy Generator. Raised by the returned function.
        ValueError: the image is not (H, W, 3) with sides of at least 32 pixels, or the severity is not 1 to 5.
    """

    @functools.wraps(function)
    def checked(image: Image, severity: int, rng: np.random.Generator) -> Image:
        check(image, severity)
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng is a {type(rng).__name__}, not a numpy Generator (numpy.random.default_rng(0))")
        return function(np.ascontiguousarray(image), int(severity), rng)

    return checked


def check(image: Any, severity: Any) -> None:
    """Check that these are a uint8 RGB image (H, W, 3) of at least 32x32 pixels and a severity from 1 to 5.

    Raises:
        TypeError: the image is not a uint8 array.
        ValueError: the image has another shape or is too small, or the severity is not 1 to 5.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"the image is a {type(image).__name__}, not a numpy array (numpy.asarray(image))")
    if image.dtype != np.uint8:
        hint = "; multiply floats in [0, 1] by 255" if image.dtype.kind == "f" else ""
        raise TypeError(f"the image is {image.dtype}, not uint8{hint}")
    if image.ndim == 2:
        raise ValueError(f"the image is {image.shape}, not RGB (H, W, 3): repeat a grayscale image three times")
    if image.ndim != 3 or image.shape[2] != 3:
        alpha = ": leave the alpha channel out" if image.ndim == 3 and image.shape[2] == 4 else ""
        raise ValueError(f"the image is {image.shape}, not RGB (H, W, 3){alpha}")
    if min(image.shape[:2]) < SMALLEST:
        raise ValueError(
            f"the image has {image.shape[1]}x{image.shape[0]} pixels; at least {SMALLEST}x{SMALLEST} are needed"
        )
    if isinstance(severity, bool) or not isinstance(severity, (int, np.integer)) or not 1 <= severity <= 5:
        raise ValueError(f"severity {severity!r} is not a whole number from 1 to 5")


def bands(image: npt.NDArray[Any], size: int = 1) -> Iterator[slice]:
    """Yield slices of rows that cover an image.

    A band fits a core's cache, and is so large that threads seldom wait for the interpreter lock. `size` makes bands
    larger, for operations that are quick. The row count of every band but the last is a multiple of four, so that words
    drawn band by band equal words drawn at once.
    """
    height = image.shape[0]
    rows = max(4, size * _BAND // max(1, image[0].size) & ~3)
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def truncated(values: Floats) -> Image:
    """Return float32 levels (H, W, C) as uint8: clipped to 0 to 255 and truncated, as the reference package does."""
    return cv2.add(values, (ROUND_DOWN,) * 4, dtype=cv2.CV_8U)
