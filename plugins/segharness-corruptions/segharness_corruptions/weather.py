"""The four weather corruptions: snow, frost, fog and spatter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.resources import files

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.draws import WORDS, normals, words
from segharness_corruptions.filters import gaussian, motion, zoom_centre, zoomed_length
from segharness_corruptions.pixels import NUDGE, ROUND_DOWN, Floats, Image, bands, corruption, truncated

_FROST_PICTURES = ("1", "2", "2", "4", "5")
"""The benchmark draws from five files. The second and the third differ only in their alpha channel, which is unused."""
_WATER = (175, 238, 238)
_MUD = (63, 42, 20)


@corruption
def snow(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blurred flakes, and the same flakes rotated by 180 degrees, over a whitened scene."""
    mean, scale, zoom, threshold, radius, sigma, mix = parameters("snow", severity)  # type: ignore[misc]
    height, width = image.shape[:2]
    field = normals(rng, (height, width))
    field *= np.float32(scale)
    field += np.float32(mean)
    flakes = zoom_centre(field, zoom, slice(0, zoomed_length(height, zoom)), zoomed_length(width, zoom))
    flakes *= flakes >= threshold
    np.clip(flakes, 0, 1, out=flakes)
    flakes = motion(flakes, radius, sigma, rng.uniform(-135, -45))[:height, :width]
    flakes = np.round(flakes * np.float32(255))
    flakes += flakes[::-1, ::-1].copy()
    snowy = np.empty_like(image)
    for rows in bands(image, 2):
        scene = image[rows].astype(np.float32)
        # (1 - mix) max(x, white) + mix x, where white = 1.5 gray + 127.5
        white = cv2.cvtColor(scene, cv2.COLOR_RGB2GRAY)
        white *= np.float32(1.5 * (1 - mix))
        white += np.float32(127.5 * (1 - mix))
        whitened = cv2.merge([white] * 3)
        whitened += np.float32(mix) * scene
        np.maximum(whitened, scene, out=whitened)
        whitened += cv2.merge([flakes[rows]] * 3)
        snowy[rows] = truncated(whitened)
    return snowy


def frost_picture(index: int) -> Image:
    """Return a picture of frost, uint8 RGB (H, W, 3), by its index from 0 to 4; see NOTICE for their origin."""
    return _picture(_FROST_PICTURES[index])


@functools.cache
def _picture(name: str) -> Image:
    with (files("segharness_corruptions") / "frost" / f"{name}.webp").open("rb") as file:
        return np.array(PillowImage.open(file).convert("RGB"))


@corruption
def frost(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A weighted sum of the image and a random crop of one of five pictures.

    The picture is enlarged by a tenth, or further until it covers the image and a tenth more.
    """
    own, icy = parameters("frost", severity)  # type: ignore[misc]
    picture = frost_picture(int(rng.integers(len(_FROST_PICTURES))))
    height, width = image.shape[:2]
    scale = 1.1 * max(1.0, height / picture.shape[0], width / picture.shape[1])
    size = (int(np.ceil(picture.shape[1] * scale)), int(np.ceil(picture.shape[0] * scale)))
    ice = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    top = int(rng.integers(ice.shape[0] - height))
    left = int(rng.integers(ice.shape[1] - width))
    return cv2.addWeighted(image, own, ice[top : top + height, left : left + width], icy, ROUND_DOWN)


@corruption
def fog(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Add a height map in [0, 1], and scale the sum back to the image's own maximum."""
    strength, decay = parameters("fog", severity)  # type: ignore[misc]
    height, width = image.shape[:2]
    top = int(image.max()) / 255
    kept = top / (top + strength)
    cloud = height_map(height, width, decay, rng)
    cloud *= np.float32(255 * strength * kept)
    cloud += np.float32(NUDGE)
    darker = (np.arange(256) * kept).astype(np.float32)
    foggy = np.empty_like(image)
    for rows in bands(image, 2):
        values = cv2.LUT(image[rows], darker)
        values += cv2.merge([cloud[rows]] * 3)
        foggy[rows] = values  # never over 255
    return foggy


def height_map(height: int, width: int, decay: float, rng: np.random.Generator) -> Floats:
    """Return the upper left part of a diamond-square map on a torus, float32 (height, width) in [0, 1].

    The side of the whole map is the next power of two. Every new point is the mean of its four neighbours plus U(-w, w)
    w, where w is 100 at first and is divided by `decay` with every halving of the step. The whole map is scaled to [0,
    1], whatever part is returned.
    """
    size = 1 << max(1, max(height, width) - 1).bit_length()
    heights = np.zeros((1, 1), np.float32)
    wibble = 100.0
    while 2 * len(heights) < size:
        side = 2 * len(heights)
        heights = _refined(heights, wibble**2, rng, side, side, lambda part: None)
        wibble /= decay
    extremes = [cv2.minMaxLoc(heights)[:2]]
    heights = _refined(heights, wibble**2, rng, height, width, lambda part: extremes.append(cv2.minMaxLoc(part)[:2]))
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    heights -= np.float32(low)
    heights *= np.float32(1 / (high - low))
    return heights


def _refined(
    corners: Floats,
    reach: float,
    rng: np.random.Generator,
    height: int,
    width: int,
    observe: Callable[[Floats], None],
) -> Floats:
    """Return the upper left part of a map of twice the size; `observe` gets all new points, also those cut off.

    First the centres of the squares are drawn, then the middles of their upper sides and of their left sides.
    """
    size = len(corners)
    draws = [words(rng, (size, size)) for _ in range(3)]
    wrapped = cv2.copyMakeBorder(corners, 0, 1, 0, 1, cv2.BORDER_WRAP)
    centres = np.empty((size + 1, size + 1), np.float32)  # the last row and column are repeated before the first
    for rows in bands(corners):
        around = wrapped[rows] + wrapped[rows.start + 1 : rows.stop + 1]
        middle = _wibbled(around[:, :-1] + around[:, 1:], draws[0][rows], reach)
        observe(middle)
        centres[1:, 1:][rows] = middle
    centres[0], centres[:, 0] = centres[-1], centres[:, -1]
    finer = np.empty((height, width), np.float32)
    for rows in bands(corners):
        corner_rows, inner = wrapped[rows], centres[1:, 1:][rows]
        top = corner_rows[:, :-1] + corner_rows[:, 1:]
        top += inner
        top += centres[:-1, 1:][rows]
        left = corner_rows[:, :-1] + wrapped[rows.start + 1 : rows.stop + 1, :-1]
        left += inner
        left += centres[1:, :-1][rows]
        top, left = _wibbled(top, draws[1][rows], reach), _wibbled(left, draws[2][rows], reach)
        observe(top)
        observe(left)
        target = finer[2 * rows.start : 2 * rows.stop]
        target[::2] = _interleaved(corners[rows], top, target[::2])
        target[1::2] = _interleaved(left, inner, target[1::2])
    return finer


def _wibbled(total: Floats, draws: npt.NDArray[np.uint16], reach: float) -> Floats:
    """Return the mean of four points from their sum, plus U(-reach, reach) from random words."""
    return cv2.addWeighted(draws.astype(np.float32), 2 * reach / WORDS, total, 0.25, -reach * (WORDS - 1) / WORDS)


def _interleaved(even: Floats, odd: Floats, target: Floats) -> Floats:
    """Return the columns of two arrays in turn, cropped to the shape of `target`."""
    count, width = target.shape
    return cv2.merge([even, odd]).reshape(len(even), -1)[:count, :width]


@corruption
def spatter(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blobs of smoothed noise: drops of water that shine at their edges, or mud that covers."""
    mean, scale, sigma, threshold, intensity, mud = parameters("spatter", severity)  # type: ignore[misc]
    liquid = normals(rng, image.shape[:2])
    liquid *= np.float32(scale)
    liquid += np.float32(mean)
    liquid = gaussian(liquid, sigma)
    if mud:
        cover = gaussian((liquid > threshold).astype(np.float32), intensity)
        cover *= cover >= 0.8
        return _covered(image, cover)
    liquid *= liquid >= threshold
    shine = _drops(liquid)
    shine *= np.float32(intensity)
    shades = {level: cv2.add(shine * np.float32(level), ROUND_DOWN, dtype=cv2.CV_8U) for level in set(_WATER)}
    return cv2.add(image, cv2.merge([shades[level] for level in _WATER]))


def _covered(image: Image, cover: Floats) -> Image:
    """Return the image with mud over it, in proportion to the cover in [0, 1]."""
    muddy = np.empty_like(image)
    for rows in bands(image, 2):
        share = cv2.merge([cover[rows]] * 3)
        mud = cv2.merge([cover[rows] * np.float32(level) for level in _MUD])
        np.subtract(1, share, out=share)
        share *= image[rows]
        share += mud
        muddy[rows] = truncated(share)
    return muddy


def _drops(liquid: Floats) -> Floats:
    """Return how strongly water colours each pixel, in [0, 1]: strongest towards the lower right edge of a drop."""
    levels = np.clip(liquid * 255, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(levels, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8)
    slope = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    shine = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, slope), (3, 3)).astype(np.float32)
    # as in the reference package, the liquid is multiplied as uint8 levels
    coloured = levels.astype(np.float32) * shine
    most = float(coloured.max())
    return coloured / np.float32(most) if most > 0 else coloured
