"""The arithmetic that corruptions share: floats in and out, blurs, zooms, sampling. Shapes (H, W) or (H, W, C)."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]


def unit(image: Image) -> Floats:
    """Return the image as float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(255)


def to_image(values: npt.NDArray[Any]) -> Image:
    """Clip floats in [0, 1] and return uint8, truncated as the reference package does."""
    return (np.clip(values, 0, 1) * np.asarray(255, values.dtype)).astype(np.uint8)


def gaussian(
    values: Floats, sigma: float | tuple[float, float], truncate: float = 4.0, border: int = cv2.BORDER_REPLICATE
) -> Floats:
    """Return a Gaussian blur; `sigma` is one, or (vertical, horizontal), in pixels; the kernel ends at `truncate` sigmas."""
    vertical, horizontal = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    size = tuple(2 * int(truncate * s + 0.5) + 1 for s in (horizontal, vertical))
    return cv2.GaussianBlur(values, size, sigmaX=horizontal, sigmaY=vertical, borderType=border)


def motion(values: Floats, radius: int, sigma: float, angle: float) -> Floats:
    """Return a blur along one direction: 2 * radius + 1 taps from the pixel on, weights of half a Gaussian.

    `angle` in degrees. Borders are replicated. Taps that would leave the image altogether end the sum.
    """
    taps = 2 * radius + 1
    weights = np.exp(-(np.arange(taps, dtype=np.float64) ** 2) / (2.0 * sigma**2))
    weights /= weights.sum()
    across, down = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    height, width = values.shape[:2]
    offsets = [(-int(np.ceil(i * down - 0.5)), -int(np.ceil(i * across - 0.5))) for i in range(taps)]
    leaving = next((i for i, (dy, dx) in enumerate(offsets) if abs(dy) >= height or abs(dx) >= width), taps)
    reach = taps
    padded = cv2.copyMakeBorder(values, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    blurred = np.zeros_like(values)
    for weight, (dy, dx) in zip(weights[:leaving], offsets[:leaving], strict=True):
        blurred += np.float32(weight) * padded[reach - dy : reach - dy + height, reach - dx : reach - dx + width]
    return blurred


def zoom_centre(values: Floats, factor: float) -> Floats:
    """Return the centre of an image enlarged by `factor`, bilinear with aligned corners; at least as large as the image."""
    for axis in (0, 1):
        length = values.shape[axis]
        kept = int(np.ceil(length / factor))
        first = (length - kept) // 2
        values = np.take(values, range(first, first + kept), axis=axis)
    for axis in (0, 1):
        values = _stretch(values, round(values.shape[axis] * factor), axis)
    return values


def _stretch(values: Floats, length: int, axis: int) -> Floats:
    """Resample one axis to `length` by linear interpolation with aligned corners."""
    last = values.shape[axis] - 1
    position = np.arange(length) * (last / max(1, length - 1))
    left = np.minimum(position.astype(np.int64), max(0, last - 1))
    share = (position - left).astype(np.float32)
    share = share.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    low = np.take(values, left, axis=axis)
    return low + share * (np.take(values, np.minimum(left + 1, last), axis=axis) - low)


def sample(values: Floats, y: Floats, x: Floats) -> Floats:
    """Return the image at real positions (H, W), bilinear, reflected at the borders (edge pixel repeated)."""
    height, width = values.shape[:2]
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    rows = [_reflect(top.astype(np.int64) + step, height) for step in (0, 1)]
    columns = [_reflect(left.astype(np.int64) + step, width) for step in (0, 1)]
    above = values[rows[0], columns[0]] * (1 - right) + values[rows[0], columns[1]] * right
    below = values[rows[1], columns[0]] * (1 - right) + values[rows[1], columns[1]] * right
    return above * (1 - down) + below * down


def _reflect(index: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    index = np.mod(index, 2 * length)
    return np.where(index >= length, 2 * length - 1 - index, index)
