"""Blurs in float32 whose every level is the one that the reference package's doubles give.

The package truncates weighted means. Where a float32 mean lies so near a whole level that its rounding could decide, and
only there, the mean is taken again in doubles, in the package's order of additions.
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
"""Relative: further than float32 moves a weighted mean."""
_FEW = 1 / 512
"""Share of the means that are taken again without asking first which areas are flat."""


@dataclass(frozen=True)
class Mean:
    """A weighted mean over a square neighbourhood, as the package computes it.

    Attributes:
        of: takes the neighbourhoods of N values, levels as float64 (N, 2 * reach + 1, 2 * reach + 1), and returns their
            means in levels, float64 (N,).
        reach: how far the neighbourhood reaches.
        border: OpenCV's border mode.
        flat: what becomes of flat areas of each level, uint8 (256,).
    """

    of: Callable[[Doubles], Doubles]
    reach: int
    border: int
    flat: Image

    @classmethod
    def make(cls, of: Callable[[Doubles], Doubles], reach: int, border: int) -> Mean:
        size = 2 * reach + 1
        areas = np.broadcast_to(np.arange(256.0)[:, None, None], (256, size, size))
        return cls(of, reach, border, _cut(of(areas)))


def truncated_mean(image: Image, missing: Floats, mean: Mean, slack: float = 0.0) -> Image:
    """Return truncated means.

    Near white, where photographs are flat for long stretches, means are told apart by what they are short of white.

    Args:
        image: uint8 (H, W, 3).
        missing: 255 minus the means, float32 (H, W, 3); negative only where `slack` is given.
        mean: what decides where float32 cannot.
        slack: levels that `missing` may be off beside its relative rounding.
    """
    levels, doubts = np.empty_like(image), []
    for rows in bands(image):
        levels[rows], doubtful = _truncated(missing[rows], slack, bool(mean.flat[255] == 255))
        doubts.append(np.flatnonzero(doubtful) + rows.start * image[0].size)
    where = np.concatenate(doubts)
    reach = mean.reach
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, mean.border)
    if len(where) > _FEW * image.size:
        where = _settle_flat_areas(levels, where, image, padded, mean)
    _settle(levels, where, padded, mean)
    return levels


def _truncated(missing: Floats, slack: float, white_stays: bool) -> tuple[Image, npt.NDArray[np.bool_]]:
    """Return levels, and which of them doubles have to decide."""
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
    levels: Image, where: npt.NDArray[np.intp], image: Image, padded: Image, mean: Mean
) -> npt.NDArray[np.intp]:
    """Set those of the values `where` whose whole neighbourhood is of one level; return the others."""
    reach = mean.reach
    around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    inner = slice(reach, -reach), slice(reach, -reach)
    others = []
    for rows in bands(image):
        first, last = (row * image[0].size for row in (rows.start, rows.stop))
        some = where[slice(*np.searchsorted(where, (first, last)))]
        if not len(some):
            continue
        near = padded[rows.start : rows.stop + 2 * reach]
        alike = (cv2.erode(near, around)[inner] == cv2.dilate(near, around)[inner]).ravel().take(some - first)
        even = some[alike]
        levels.reshape(-1)[even] = mean.flat.take(image.reshape(-1).take(even))
        others.append(some[~alike])
    return np.concatenate(others)


def _settle(levels: Image, where: npt.NDArray[np.intp], padded: Image, mean: Mean) -> None:
    """Set the values `where` from their neighbourhoods."""
    size = 2 * mean.reach + 1
    windows = sliding_window_view(padded, (size, size), axis=(0, 1))
    at_once = max(1, (1 << 17) // size**2)
    for start in range(0, len(where), at_once):
        some = where[start : start + at_once]
        near = windows[np.unravel_index(some, levels.shape)]
        levels.reshape(-1)[some] = _cut(mean.of(near.astype(np.float64)))


def _cut(means: Doubles) -> Image:
    return np.clip(means, 0, 255).astype(np.uint8)


@functools.lru_cache(64)
def gaussian_mean(sigma: float) -> Mean:
    """Return the package's Gaussian: one axis after the other, adding from the ends of the kernel to the middle."""
    reach = int(4.0 * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-reach, reach + 1) ** 2)
    weights /= weights.sum()

    def of(near: Doubles) -> Doubles:
        values = near / 255.0
        for _ in range(2):  # down, then across
            total = values[:, reach] * weights[reach]
            for step in range(reach):
                total = total + (values[:, step] + values[:, 2 * reach - step]) * weights[step]
            values = total
        return np.clip(values, 0, 1) * 255

    return Mean.make(of, reach, cv2.BORDER_REPLICATE)


def kernel_mean(kernel: Floats, border: int) -> Mean:
    """Return the mean under a square kernel of float32: their sum in doubles decides in any order of additions."""
    weights = kernel.astype(np.float64)
    return Mean.make(lambda near: np.einsum("nij,ij->n", near, weights), len(kernel) // 2, border)
