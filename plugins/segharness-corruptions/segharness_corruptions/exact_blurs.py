"""Blurs in float32 that give exactly the levels of the reference package, which computes in doubles.

The package truncates weighted means. If a float32 mean lies so near a whole level that rounding could change the
result, the mean is computed again in doubles, in the package's order of additions. All other means stay in float32.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from segharness_corruptions.pixels import Floats, Image, bands

Doubles = npt.NDArray[np.float64]

ROUNDING = 2.0**-19
"""An upper bound of the relative error of a weighted mean in float32."""
_FEW = 1 / 512
"""Up to this share of all means, they are computed again without looking for flat areas first."""


@dataclass(frozen=True)
class Mean:
    """A weighted mean over a square neighbourhood, as the package computes it.

    Attributes:
        compute: takes the neighbourhoods of N values, levels as float64 (N, 2 * reach + 1, 2 * reach + 1), and returns
            their means in levels, float64 (N,).
        reach: pixels from the middle of the neighbourhood to its edge.
        border: OpenCV's border mode.
        flat: the result for a flat area of each level, uint8 (256,).
    """

    compute: Callable[[Doubles], Doubles]
    reach: int
    border: int
    flat: Image

    @classmethod
    def make(cls, compute: Callable[[Doubles], Doubles], reach: int, border: int) -> Mean:
        """Return a mean whose `flat` is computed from the other attributes."""
        size = 2 * reach + 1
        areas = np.broadcast_to(np.arange(256.0)[:, None, None], (256, size, size))
        return cls(compute, reach, border, _cut(compute(areas)))


def truncated_mean(image: Image, missing: Floats, mean: Mean, slack: float = 0.0) -> Image:
    """Return truncated means, uint8 (H, W, 3).

    The means are passed as their distance to white, because photographs have large flat areas near white and float32 is
    most precise near 0.

    Args:
        image: uint8 (H, W, 3).
        missing: 255 minus the means, float32 (H, W, 3); negative only if `slack` is positive.
        mean: computes in doubles the means that float32 cannot decide.
        slack: absolute error of `missing` in levels, beyond its relative rounding.
    """
    levels, doubts = np.empty_like(image), []
    for rows in bands(image):
        levels[rows], doubtful = _truncated(missing[rows], slack, bool(mean.flat[255] == 255))
        doubts.append(np.flatnonzero(doubtful) + rows.start * image[0].size)
    undecided = np.concatenate(doubts)
    reach = mean.reach
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, mean.border)
    if len(undecided) > _FEW * image.size:
        undecided = _settle_flat_areas(levels, undecided, image, padded, mean)
    _settle(levels, undecided, padded, mean)
    return levels


def _truncated(missing: Floats, slack: float, white_stays: bool) -> tuple[Image, npt.NDArray[np.bool_]]:
    """Return levels, and a mask of the levels that must be computed again in doubles."""
    positive = np.maximum(missing, 0) if slack else missing
    short = cv2.convertScaleAbs(positive, alpha=1 - ROUNDING, beta=0.5 - slack)
    doubtful = cv2.convertScaleAbs(positive, alpha=1 + ROUNDING, beta=0.5 + slack) != short
    levels = cv2.bitwise_not(short)
    if slack:
        doubtful &= missing >= -slack
        return levels, doubtful
    # near 0.5 float32 cannot tell 0 from 1e-9, which doubles do
    tinted = missing > 0
    levels -= tinted.view(np.uint8) & (short == 0).view(np.uint8)
    if not white_stays:
        doubtful |= ~tinted
    return levels, doubtful


def _settle_flat_areas(
    levels: Image, undecided: npt.NDArray[np.intp], image: Image, padded: Image, mean: Mean
) -> npt.NDArray[np.intp]:
    """Set the undecided values whose whole neighbourhood has one level; return the indices of the rest."""
    reach = mean.reach
    around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    inner = slice(reach, -reach), slice(reach, -reach)
    remaining = []
    for rows in bands(image):
        first, last = (row * image[0].size for row in (rows.start, rows.stop))
        indices = undecided[slice(*np.searchsorted(undecided, (first, last)))]
        if not len(indices):
            continue
        near = padded[rows.start : rows.stop + 2 * reach]
        is_flat = (cv2.erode(near, around)[inner] == cv2.dilate(near, around)[inner]).ravel().take(indices - first)
        flat = indices[is_flat]
        levels.reshape(-1)[flat] = mean.flat.take(image.reshape(-1).take(flat))
        remaining.append(indices[~is_flat])
    return np.concatenate(remaining)


def _settle(levels: Image, undecided: npt.NDArray[np.intp], padded: Image, mean: Mean) -> None:
    """Set the undecided values from their neighbourhoods."""
    size = 2 * mean.reach + 1
    windows = sliding_window_view(padded, (size, size), axis=(0, 1))
    at_once = max(1, (1 << 17) // size**2)
    for start in range(0, len(undecided), at_once):
        indices = undecided[start : start + at_once]
        near = windows[np.unravel_index(indices, levels.shape)]
        levels.reshape(-1)[indices] = _cut(mean.compute(near.astype(np.float64)))


def _cut(means: Doubles) -> Image:
    return np.clip(means, 0, 255).astype(np.uint8)


@functools.lru_cache(64)
def gaussian_mean(sigma: float) -> Mean:
    """Return the package's Gaussian mean: one axis after the other, adding from the kernel's ends to its middle."""
    reach = int(4.0 * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-reach, reach + 1) ** 2)
    weights /= weights.sum()

    def compute(near: Doubles) -> Doubles:
        values = near / 255.0
        for _ in range(2):  # down, then across
            total = values[:, reach] * weights[reach]
            for step in range(reach):
                total = total + (values[:, step] + values[:, 2 * reach - step]) * weights[step]
            values = total
        return np.clip(values, 0, 1) * 255

    return Mean.make(compute, reach, cv2.BORDER_REPLICATE)


def kernel_mean(kernel: Floats, border: int) -> Mean:
    """Return the mean under a square float32 kernel; in doubles the order of additions does not matter."""
    weights = kernel.astype(np.float64)
    return Mean.make(lambda near: np.einsum("nij,ij->n", near, weights), len(kernel) // 2, border)
