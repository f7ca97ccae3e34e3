"""Filters that several corruptions use.

Images are (H, W) or (H, W, C), uint8 or float32. Results are float32, in the units of the input.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segharness_corruptions.pixels import Floats, Image, bands

_WIDE = 512
"""Columns that are filtered together, so few that the rows in use stay in a core's cache."""


def separable(values: Image | Floats, across: Floats, down: Floats, border: int = cv2.BORDER_REPLICATE) -> Floats:
    """Return a convolution with the outer product of two odd kernels."""
    width, reach = values.shape[1], len(across) // 2
    if width <= 2 * _WIDE:
        return cv2.sepFilter2D(values, cv2.CV_32F, across, down, borderType=border)
    padded = cv2.copyMakeBorder(values, 0, 0, reach, reach, border)
    result = np.empty(values.shape, np.float32)
    for left in range(0, width, _WIDE):
        part = padded[:, left : left + _WIDE + 2 * reach]
        filtered = cv2.sepFilter2D(part, cv2.CV_32F, across, down, borderType=border)
        result[:, left : left + _WIDE] = filtered[:, reach : filtered.shape[1] - reach]
    return result


def gaussian(
    values: Image | Floats,
    sigma: float | tuple[float, float],
    truncate: float = 4.0,
    border: int = cv2.BORDER_REPLICATE,
) -> Floats:
    """Return a Gaussian blur.

    Args:
        values: the image.
        sigma: in pixels; a pair is (vertical, horizontal).
        truncate: the kernel ends after this many sigmas.
        border: OpenCV's border mode.
    """
    vertical, horizontal = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    return separable(values, bell(horizontal, truncate), bell(vertical, truncate), border)


@functools.lru_cache(64)
def bell(sigma: float, truncate: float) -> Floats:
    """Return a Gaussian kernel that sums to 1, float32 (2r + 1, 1); r is truncate * sigma, rounded."""
    reach = int(truncate * sigma + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1, dtype=np.float64) ** 2) / (2 * sigma**2))
    return (weights / weights.sum())[:, None].astype(np.float32)


def motion(values: Image | Floats, radius: int, sigma: float, angle: float) -> Floats:
    """Return a one-sided blur along a direction: 2 * radius + 1 taps from the pixel on, weighted by half a Gaussian.

    `angle` is in degrees. Borders are replicated. The sum ends before the first tap whose offset is as long as the
    image.
    """
    taps = _taps(values.shape[:2], radius, sigma, angle)
    downs, rights = zip(*taps, strict=True)
    top, left = -min(downs), -min(rights)  # taps include (0, 0)
    width = values.shape[1]
    padded = cv2.copyMakeBorder(values, top, max(downs), left, max(rights), cv2.BORDER_REPLICATE)
    blurred = np.zeros(values.shape, np.float32)
    for rows in bands(blurred, 4):
        near = padded[rows.start : rows.stop + top + max(downs)].astype(np.float32)
        total = blurred[rows]
        count = rows.stop - rows.start
        for (down, right), weight in taps.items():
            shifted = near[top + down : top + down + count, left + right : left + right + width]
            cv2.scaleAdd(shifted, weight, total, dst=total)
    return blurred


def _taps(shape: tuple[int, ...], radius: int, sigma: float, angle: float) -> dict[tuple[int, int], float]:
    """Return the weights of a motion blur by neighbour: (rows down, columns right)."""
    count = 2 * radius + 1
    weights = np.exp(-(np.arange(count, dtype=np.float64) ** 2) / (2.0 * sigma**2))
    weights /= weights.sum()
    across, down = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    taps: dict[tuple[int, int], float] = {}
    for step, weight in enumerate(weights):
        offset = int(np.ceil(step * down - 0.5)), int(np.ceil(step * across - 0.5))
        if abs(offset[0]) >= shape[0] or abs(offset[1]) >= shape[1]:
            break
        taps[offset] = taps.get(offset, 0.0) + float(weight)
    return taps


def zoom_centre(values: Floats, factor: float, rows: slice, columns: int) -> Floats:
    """Return part of the image's centre, enlarged by `factor`: bilinear, with aligned corners.

    As in the benchmark, the last row or column is black if its position, as a double, lies beyond the last pixel.

    Args:
        values: the image.
        factor: of the enlargement.
        rows: the rows to return of the enlarged centre.
        columns: how many columns to return, from the left.
    """
    down, right = (_Zoom.make(length, factor) for length in values.shape[:2])
    matrix = np.array([[right.step, 0, right.first], [0, down.step, down.first + down.step * rows.start]])
    zoomed = cv2.warpAffine(
        values,
        matrix,
        (columns, rows.stop - rows.start),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if down.last_is_black and rows.stop == down.length:
        zoomed[-1] = 0
    if right.last_is_black and columns == right.length:
        zoomed[:, -1] = 0
    return zoomed


def zoomed_length(length: int, factor: float) -> int:
    """Return the length in pixels of an enlarged centre of `length` pixels: at least `length`."""
    return _Zoom.make(length, factor).length


@dataclass(frozen=True)
class _Zoom:
    """One axis of an enlarged centre.

    Attributes:
        step: pixels of the image for one pixel of the enlarged centre.
        first: where the centre begins in the image.
        length: of the enlarged centre, in pixels.
        last_is_black: whether the last position, as a double, lies beyond the last pixel.
    """

    step: float
    first: int
    length: int
    last_is_black: bool

    @classmethod
    def make(cls, length: int, factor: float) -> _Zoom:
        kept = int(np.ceil(length / factor))
        enlarged = round(kept * factor)
        step = (kept - 1) / (enlarged - 1)
        return cls(step, (length - kept) // 2, enlarged, step * (enlarged - 1) > kept - 1)


def sample(values: Floats, down: Floats, right: Floats) -> Floats:
    """Return the image at real positions, float32 (H, W): bilinear, borders reflected with the edge pixel repeated."""
    return cv2.remap(values, right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def as_separable(kernel: npt.NDArray[np.float64]) -> Sequence[tuple[Floats, Floats]]:
    """Return pairs of 1-D kernels (across, down) whose outer products sum to a kernel that is symmetric both ways.

    They are its singular vectors, without those of weight 0 up to rounding in float32.
    """
    u, weights, v = np.linalg.svd(kernel)
    kept = weights > 1e-6
    return [
        (_mirrored(w * row), _mirrored(column))
        for w, column, row in zip(weights[kept], u.T[kept], v[kept], strict=True)
    ]


def _mirrored(kernel: npt.NDArray[np.float64]) -> Floats:
    """Return a kernel made exactly symmetric, float32 (N, 1): OpenCV then needs half the products."""
    return ((kernel + kernel[::-1]) / 2)[:, None].astype(np.float32)
