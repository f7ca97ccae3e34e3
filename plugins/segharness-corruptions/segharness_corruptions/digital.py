"""Brightness, contrast, saturation, compression, resolution, distortion."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image as PillowImage

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.pixels import Image, gaussian, sample, to_image, unit


def brightness(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """V + c in HSV: with hue and saturation fixed, RGB scales with V; black becomes gray."""
    raised = np.float32(parameters("brightness", severity))
    values = unit(image)
    v = values.max(axis=2, keepdims=True)
    target = np.minimum(v + raised, 1)
    return to_image(np.where(v > 0, values * (target / np.maximum(v, 1e-6)), target))


def saturate(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """a S + b in HSV: with hue and value fixed, every channel's distance to V scales with S; gray has the hue red."""
    factor, addend = parameters("saturate", severity)  # type: ignore[misc]
    values = unit(image)
    v = values.max(axis=2, keepdims=True)
    span = v - values.min(axis=2, keepdims=True)
    s = span / np.maximum(v, 1e-6)
    target = np.clip(s * np.float32(factor) + np.float32(addend), 0, 1)
    coloured = v - (v - values) * (target / np.maximum(s, 1e-6))
    gray = v * (1 - target * np.array([0, 1, 1], dtype=np.float32))
    return to_image(np.where(span > 0, coloured, gray))


def contrast(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """(x - mean) c + mean, the mean of each channel."""
    factor = float(parameters("contrast", severity))  # type: ignore[arg-type]
    means = image.mean(axis=(0, 1), dtype=np.float64) / 255
    levels = np.arange(256)[:, None] / 255
    tables = to_image((levels - means) * factor + means)
    return np.stack([tables[image[..., channel], channel] for channel in range(3)], axis=2)


def jpeg_compression(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Encoded and decoded by Pillow."""
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=parameters("jpeg_compression", severity))
    with PillowImage.open(buffer) as compressed:
        return np.array(compressed)


def pixelate(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Box filter down, nearest neighbour up, by Pillow."""
    scale = float(parameters("pixelate", severity))  # type: ignore[arg-type]
    height, width = image.shape[:2]
    small = PillowImage.fromarray(image).resize((int(width * scale), int(height * scale)), PillowImage.Resampling.BOX)
    return np.array(small.resize((width, height), PillowImage.Resampling.NEAREST))


def elastic_transform(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Uniform displacements, smoothed and scaled, both axes bounded by the height as in the reference package."""
    alpha = np.float32(parameters("elastic_transform", severity))
    height, width = image.shape[:2]
    bound = height * 0.005
    sigma = (0.01 * height, 0.01 * width)
    dx, dy = (
        gaussian(rng.uniform(-bound, bound, (height, width)).astype(np.float32), sigma, 3.0, cv2.BORDER_REFLECT) * alpha
        for _ in range(2)
    )
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return to_image(sample(unit(image), y + dy, x + dx))
