"""One image of the toy problem: elongated cells alike in colour, overlapping, blurred and noisy.

96x96 pixels, 8 to 22 cells, blue with a red boundary, slightly varied in size, placed and turned at random; a random blur
and high-frequency noise over the whole image (AdaptIS, section on the toy data set). An image depends on its split's seed
and its index alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = 96
CELLS = (8, 22)
_LENGTH, _RADIUS = (11.0, 17.0), (3.6, 4.8)
_BOUNDARY = 1.4
_LEAST_VISIBLE = 0.3
_TRIES = 200
_BACKGROUND, _BODY, _EDGE = (np.array(c, dtype=np.float64) for c in ((24, 24, 28), (48, 80, 208), (208, 48, 56)))
_BLUR, _NOISE = (0.3, 0.9), (4.0, 14.0)


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
    """Return the image of a seed and an index; any image alone, the same everywhere."""
    rng = np.random.Generator(np.random.Philox(key=(seed << 64) | index))
    wanted = int(rng.integers(CELLS[0], CELLS[1] + 1))
    owner = np.full((SIZE, SIZE), -1)
    depths: list[npt.NDArray[np.float64]] = []
    areas: list[int] = []
    for _ in range(_TRIES):
        depth = _cell(rng)
        covered = np.where(depth > 0, len(depths), owner)
        visible = np.bincount(covered[covered >= 0], minlength=len(depths) + 1)
        if all(visible[i] >= _LEAST_VISIBLE * area for i, area in enumerate([*areas, int((depth > 0).sum())])):
            owner = covered
            depths.append(depth)
            areas.append(int((depth > 0).sum()))
        if len(depths) == wanted:
            break
    pixels = np.tile(_BACKGROUND, (SIZE, SIZE, 1))
    for depth in depths:
        cover = np.clip(depth + 0.5, 0, 1)[..., None]
        body = np.clip(depth - _BOUNDARY + 0.5, 0, 1)[..., None]
        pixels += cover * (body * _BODY + (1 - body) * _EDGE - pixels)
    pixels = _blurred(pixels, rng.uniform(*_BLUR)) + rng.uniform(*_NOISE) * rng.standard_normal(pixels.shape)
    masks = owner[None] == np.arange(len(depths))[:, None, None]
    return Scene(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), masks)


def _cell(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return how far inside a new cell (a capsule) every pixel lies, in pixels; negative outside."""
    centre = rng.uniform(2, SIZE - 2, 2)
    angle, length, radius = rng.uniform(0, np.pi), rng.uniform(*_LENGTH), rng.uniform(*_RADIUS)
    along = np.array([np.sin(angle), np.cos(angle)])
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    offset = np.stack([y - centre[0], x - centre[1]], axis=-1)
    position = np.clip(offset @ along, -length / 2, length / 2)
    gap = offset - position[..., None] * along
    inside: npt.NDArray[np.float64] = radius - np.sqrt((gap * gap).sum(axis=-1))
    return inside


def _blurred(pixels: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    taps = np.arange(-4, 5)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        width: list[Any] = [(0, 0)] * 3
        width[axis] = (4, 4)
        padded = np.pad(pixels, width, mode="edge")
        pixels = sum(w * np.take(padded, range(t, t + SIZE), axis=axis) for t, w in enumerate(weights))  # type: ignore[assignment]
    return pixels
