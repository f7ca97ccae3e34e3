"""One image of the toy problem: elongated cells of the same colours, overlapping, blurred and noisy.

An image has 96x96 pixels and 8 to 22 cells, blue with a red boundary, of slightly varied size, at random places and
angles. A random blur and high-frequency noise cover the whole image (AdaptIS, section on the toy data set). An image
depends only on its split's seed and its index.

Every processor computes the same image: draws are whole numbers, and floats go only through ``+ - * /`` and square
roots, element by element. Sines and exponentials are rounded before use, further than processors differ.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIZE = 96
CELLS = (8, 22)
LEAST_VISIBLE = 0.3
"""At least this share of a cell lies inside the image, and at least this share of that part stays visible."""

_LENGTH, _RADIUS = (11.0, 17.0), (3.6, 4.8)  # of a capsule: the length of its axis, and the distance from the axis
_BOUNDARY = 1.4
_BACKGROUND, _BODY, _EDGE = (np.array(rgb, dtype=np.float64) for rgb in ((24, 24, 28), (48, 80, 208), (208, 48, 56)))
_BLUR, _NOISE = (0.3, 0.9), (4.0, 14.0)  # standard deviations: pixels, levels

_MARGIN = 16  # the canvas is larger than the image, so that no cell's window is cut
_WINDOW = 28
_BATCH, _BATCHES = 40, 5
_TAPS = 4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """An image and its ground truth.

    Attributes:
        pixels: uint8 RGB (96, 96, 3).
        masks: bool (N, 96, 96): the visible part of each cell; they do not overlap.
    """

    pixels: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]


def make_scene(seed: int, index: int) -> Scene:
    """Return the image of a seed and an index; it needs no other image, and is the same on every machine."""
    rng = np.random.Generator(np.random.Philox(key=(seed << 64) | index))
    count = int(rng.integers(CELLS[0], CELLS[1] + 1))
    canvas = _Canvas()
    for _ in range(_BATCHES):
        for corner, depth in _cells(rng, _BATCH):
            if canvas.count < count:
                canvas.lay(corner, depth)
    pixels = _blurred(canvas.pixels, _between(rng, *_BLUR)) + _between(rng, *_NOISE) * _noise(rng)
    masks = canvas.owner[None] == np.arange(canvas.count)[:, None, None]
    return Scene(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), masks)


class _Canvas:
    """The cells laid so far: colours, and the index of the cell that every pixel shows (-1: background)."""

    def __init__(self) -> None:
        side = SIZE + 2 * _MARGIN
        self._pixels = np.tile(_BACKGROUND, (side, side, 1))
        self._owner = np.full((side, side), -1)
        self._areas: list[int] = []
        self._visible = np.zeros(CELLS[1] + 1, dtype=np.int64)

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self._areas)

    @property
    def pixels(self) -> Floats:
        """The colours inside the image (96, 96, 3)."""
        return self._pixels[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]

    @property
    def owner(self) -> npt.NDArray[np.int64]:
        """The cell that every pixel inside the image shows (96, 96)."""
        return self._owner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]

    def lay(self, corner: tuple[int, int], depth: Floats) -> None:
        """Lay a cell on top of the others, unless too little of it or of another would be visible.

        Args:
            corner: where the cell's window begins: row and column in the image.
            depth: how far inside the cell each pixel of the window lies, pixels.
        """
        window = tuple(slice(start + _MARGIN, start + _MARGIN + _WINDOW) for start in corner)
        inside = [(position >= 0) & (position < SIZE) for position in (np.arange(_WINDOW) + start for start in corner)]
        covered = (depth > 0) & inside[0][:, None] & inside[1]
        area = int(covered.sum())
        hidden = np.bincount(self._owner[window][covered] + 1, minlength=len(self._visible) + 1)[1:]
        visible = self._visible - hidden
        cell_area = (depth > 0).sum()
        if area < LEAST_VISIBLE * cell_area or any(
            visible[index] < LEAST_VISIBLE * area_inside for index, area_inside in enumerate(self._areas)
        ):
            return
        self._owner[window][covered] = self.count
        self._visible = visible
        self._visible[self.count] = area
        self._areas.append(area)
        cover = np.clip(depth + 0.5, 0, 1)[..., None]
        body = np.clip(depth - _BOUNDARY + 0.5, 0, 1)[..., None]
        below = self._pixels[window]
        self._pixels[window] = below + cover * (body * _BODY + (1 - body) * _EDGE - below)


def _cells(rng: np.random.Generator, count: int) -> list[tuple[tuple[int, int], Floats]]:
    """Return random cells (capsules), each as a pair (corner, depth); see `_Canvas.lay`."""
    centre = 2 + (SIZE - 4) * _share(rng, (count, 2))
    along = _directions()[rng.integers(0, len(_directions()), count)]
    length, radius = _between(rng, *_LENGTH, (count, 1, 1)), _between(rng, *_RADIUS, (count, 1, 1))
    corner = np.floor(centre).astype(np.int64) - _WINDOW // 2
    offset = corner[:, :, None] + (np.arange(_WINDOW) + 0.5) - centre[:, :, None]
    y, x = offset[:, 0, :, None], offset[:, 1, None, :]
    dy, dx = along[:, 0, None, None], along[:, 1, None, None]
    position = np.clip(y * dy + x * dx, -length / 2, length / 2)
    gap_y, gap_x = y - position * dy, x - position * dx
    depth = radius - np.sqrt(gap_y * gap_y + gap_x * gap_x)
    return [((int(top), int(left)), cell_depth) for (top, left), cell_depth in zip(corner, depth, strict=True)]


@functools.cache
def _directions() -> Floats:
    """Return the directions that a cell may have, (512, 2), rounded so that machines whose sines differ agree."""
    angles = [math.pi * k / 512 for k in range(512)]
    return np.round(np.array([(math.sin(angle), math.cos(angle)) for angle in angles]) * 4096) / 4096


def _share(rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Floats:
    """Return values from U(0, 1): the middles of 65536 intervals."""
    return (rng.integers(0, 1 << 16, shape) + 0.5) / (1 << 16)


def _between(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...] = ()) -> Floats:
    """Return values from U(low, high)."""
    return low + (high - low) * _share(rng, shape)


def _noise(rng: np.random.Generator) -> Floats:
    """Return white noise (96, 96, 3) of variance 1; sums of 8 random bytes are nearly normal."""
    words = rng.integers(0, 1 << 64, SIZE * SIZE * 3, dtype=np.uint64).astype("<u8", copy=False)
    sums = words.view(np.uint8).reshape(SIZE, SIZE, 3, 8).sum(axis=-1, dtype=np.int64)
    noise: Floats = (sums - 8 * 127.5) / math.sqrt(8 * (256**2 - 1) / 12)
    return noise


def _blurred(pixels: Floats, sigma: Floats) -> Floats:
    """Return the image blurred by a Gaussian of `sigma` pixels; the border is repeated."""
    weights = np.exp(-(np.arange(-_TAPS, _TAPS + 1.0) ** 2) / (2 * sigma**2))
    weights = np.round(weights / weights.sum() * (1 << 24)) / (1 << 24)
    for axis in (0, 1):
        rows = pixels.swapaxes(0, axis)
        padded = np.concatenate([rows[:1]] * _TAPS + [rows] + [rows[-1:]] * _TAPS)
        blurred = np.zeros_like(rows)
        for tap, weight in enumerate(weights):
            blurred += weight * padded[tap : tap + SIZE]
        pixels = blurred.swapaxes(0, axis)
    return pixels
