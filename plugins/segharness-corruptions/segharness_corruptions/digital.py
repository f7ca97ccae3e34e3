"""Brightness, contrast, saturation, compression, resolution, distortion."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.draws import uniforms
from segharness_corruptions.filters import gaussian, sample
from segharness_corruptions.pixels import Image, bands, corruption, truncated

_BITS = 20
"""Bits of the fraction of a fixed-point factor. With 8-bit levels and factors up to 255, products fit 31 bits."""
_LEVELS = np.arange(256)
_MOST_BENT = 32766
"""The longest side, in pixels, that OpenCV can resample by a map."""


@corruption
def brightness(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Raise V of HSV by c. With hue and saturation fixed, RGB scales with V; black becomes gray."""
    factors, black = _brightness_factors(severity)
    brighter = np.empty_like(image)
    for rows in bands(image):
        red, green, blue = cv2.split(image[rows])
        value = cv2.max(cv2.max(red, green), blue)
        scaled = cv2.merge([cv2.LUT(value, factors)] * 3)
        scaled *= image[rows]
        scaled >>= _BITS
        brighter[rows] = scaled
        if not value.all():
            brighter[rows][value == 0] = black
    return brighter


@functools.cache
def _brightness_factors(severity: int) -> tuple[npt.NDArray[np.int32], int]:
    """Return the fixed-point factor of each V, by which its pixels' levels are multiplied, and the level of black.

    If a product is a whole number, the package's doubles may truncate it to one level less. The factors reproduce this
    for V itself.
    """
    raised = float(parameters("brightness", severity))  # type: ignore[arg-type]
    levels = np.maximum(_LEVELS, 1)
    target = (np.minimum(levels / 255 + raised, 1) * 255).astype(np.int64)
    factors = np.ceil(np.minimum(levels + 255 * raised, 255) / levels * (1 << _BITS)).astype(np.int64)
    factors -= (levels * factors >> _BITS) > target
    factors[0] = 0
    return factors.astype(np.int32), int(raised * 255)


@corruption
def saturate(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Replace S of HSV by a S + b.

    With hue and V fixed, each channel's distance to V scales with S. Gray has the hue red.
    """
    factors, reddened = _saturation_factors(severity)
    saturated = np.empty_like(image)
    for rows in bands(image):
        planes = cv2.split(image[rows])
        value = cv2.max(cv2.max(planes[0], planes[1]), planes[2])
        least = cv2.min(cv2.min(planes[0], planes[1]), planes[2])
        index = value.astype(np.uint16)
        index <<= 8
        index |= least
        scaled = cv2.merge([factors.take(index)] * 3)
        value3 = cv2.merge([value] * 3)
        scaled *= value3 - image[rows]
        scaled += (1 << _BITS) - 1
        scaled >>= _BITS
        np.subtract(value3, scaled, out=saturated[rows], casting="unsafe")
        if reddened.any():
            saturated[rows][..., 1:] -= reddened.take(index)[..., None]
    return saturated


@functools.cache
def _saturation_factors(severity: int) -> tuple[npt.NDArray[np.int32], Image]:
    """Return two tables over 256 V + min: the factor of distances to V, and what gray loses of green and blue.

    If a product is a whole number, the package's doubles may truncate it to one level less. The factors reproduce this
    for the smallest channel.
    """
    factor, addend = parameters("saturate", severity)  # type: ignore[misc]
    value, least = np.mgrid[:256, :256]
    span = np.maximum(value - least, 0)
    divisor = np.where(span > 0, span, 1)
    v = np.maximum(value, 1) / 255
    target = np.clip((v - least / 255) / v * factor + addend, 0, 1)
    lowest = (np.where(value > 0, v, 0) * (1 - target) * 255).astype(np.int64)
    exact = np.clip(span / np.maximum(value, 1) * factor + addend, 0, 1) * value / divisor
    factors = np.floor(exact * (1 << _BITS) + 1e-6).astype(np.int64)
    factors += value - (factors * span + (1 << _BITS) - 1 >> _BITS) > lowest
    gray = value - (value / 255 * (1 - addend) * 255).astype(np.int64)
    return (
        np.where(span > 0, factors, 0).astype(np.int32).ravel(),
        np.where(span > 0, 0, gray).astype(np.uint8).ravel(),
    )


@corruption
def contrast(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """(x - mean) c + mean, with the mean of each channel."""
    factor = float(parameters("contrast", severity))  # type: ignore[arg-type]
    means = np.array(cv2.sumElems(image)[:3]) / (image.shape[0] * image.shape[1])
    table = (_LEVELS[:, None] - means) * factor + means
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None])


@corruption
def jpeg_compression(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Encode as JPEG and decode, both with libjpeg."""
    quality = int(parameters("jpeg_compression", severity))  # type: ignore[call-overload]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)


@corruption
def pixelate(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Shrink with Pillow's box filter, then enlarge by nearest neighbour."""
    scale = float(parameters("pixelate", severity))  # type: ignore[arg-type]
    height, width = image.shape[:2]
    small = PillowImage.fromarray(image).resize((int(width * scale), int(height * scale)), PillowImage.Resampling.BOX)
    return cv2.resize(np.asarray(small), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


@corruption
def elastic_transform(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Move pixels by smoothed uniform displacements.

    As in the reference package, the height bounds the displacements of both axes.
    """
    alpha = float(parameters("elastic_transform", severity))  # type: ignore[arg-type]
    height, width = image.shape[:2]
    if max(height, width) > _MOST_BENT:
        raise ValueError(
            f"the image has {width}x{height} pixels; elastic_transform takes {_MOST_BENT} a side at the most"
        )
    sigma = (0.01 * height, 0.01 * width)
    reach = np.float32(alpha * height * 0.005)
    right, down = (gaussian(uniforms(rng, (height, width)), sigma, 3.0, cv2.BORDER_REFLECT) for _ in range(2))
    values, bent = image.astype(np.float32), np.empty_like(image)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    for rows in bands(image):
        bent[rows] = truncated(sample(values, y[rows] + reach * down[rows], x + reach * right[rows]))
    return bent
