"""The five blurs: Gaussian, defocus, motion, zoom and glass."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segharness_corruptions.catalogue import parameters
from segharness_corruptions.exact_blurs import Mean, gaussian_mean, kernel_mean, truncated_mean
from segharness_corruptions.filters import as_separable, gaussian, motion, separable, zoom_centre
from segharness_corruptions.pixels import Floats, Image, bands, corruption, truncated


@corruption
def gaussian_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A Gaussian blur with replicated borders and a kernel of four sigmas."""
    return _gaussian(image, float(parameters("gaussian_blur", severity)))  # type: ignore[arg-type]


def _gaussian(image: Image, sigma: float) -> Image:
    return truncated_mean(image, gaussian(cv2.bitwise_not(image), sigma), gaussian_mean(sigma))


@corruption
def defocus_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A mean over a disk whose edge is softened by a small Gaussian.

    The sum over the disk is exact: it is a sum of rectangles of an integral image. The softening is a convolution of
    the sums.
    """
    lens = _Lens.make(*parameters("defocus_blur", severity))  # type: ignore[misc]
    reach, soft, width = lens.reach, len(lens.softening) // 2, image.shape[1]
    inverse = cv2.copyMakeBorder(image, reach, reach, reach, reach, lens.mean.border)
    cv2.bitwise_not(inverse, dst=inverse)
    missing = np.empty(image.shape, np.float32)
    for rows in bands(image):
        near = inverse[rows.start : rows.stop + 2 * reach]
        sums = _disk_sums(near, reach - soft).astype(np.float32)
        part = separable(sums, lens.softening, lens.softening)[soft : len(sums) - soft, soft : soft + width]
        for across, down in lens.remainder:
            part += separable(near, across, down)[reach : len(near) - reach, reach : reach + width]
        missing[rows] = part
    if not lens.remainder:
        return truncated_mean(image, missing, lens.mean)
    missing -= np.float32(lens.surplus)
    return truncated_mean(image, missing, lens.mean, slack=2.0**-11)


@dataclass(frozen=True)
class _Lens:
    """The kernel of defocus, split into parts that are quick to apply.

    Attributes:
        reach: pixels from the middle to the edge, of sum and softening together.
        softening: the 1-D kernel that turns the sums over a disk into means.
        remainder: the benchmark's kernel minus the softened disk, as pairs of 1-D kernels. The benchmark softens within
            a square that disks of radius 8 and 10 touch, and reflects there.
        surplus: levels by which white becomes brighter, because the kernel's weights sum to more than 1.
        mean: the mean under the benchmark's kernel itself.
    """

    reach: int
    softening: Floats
    remainder: Sequence[tuple[Floats, Floats]]
    surplus: float
    mean: Mean

    @classmethod
    @functools.cache
    def make(cls, radius: int, sigma: float) -> _Lens:
        kernel, plain = disk(radius, sigma), disk(radius, 0.0).astype(np.float64)
        soft = 1 if radius <= 8 else 2
        reach = radius + soft
        weights = cv2.getGaussianKernel(2 * soft + 1, sigma, cv2.CV_64F)
        softened = cv2.sepFilter2D(_centred(plain, reach), cv2.CV_64F, weights, weights, borderType=cv2.BORDER_CONSTANT)
        remainder = _centred(kernel.astype(np.float64), reach) - softened
        return cls(
            reach,
            (weights * math.sqrt(plain.max())).astype(np.float32),
            as_separable(remainder) if np.abs(remainder).max() > 1e-6 else (),
            255 * (float(kernel.sum(dtype=np.float64)) - 1),
            kernel_mean(kernel, cv2.BORDER_REFLECT_101),
        )


def _disk_sums(image: Image, radius: int) -> npt.NDArray[np.int32]:
    """Return the sum over the disk around every pixel whose disk lies in the image, int32 (H - 2r, W - 2r, C)."""
    integral = cv2.integral(image)
    height, width = image.shape[0] - 2 * radius, image.shape[1] - 2 * radius
    sums = np.zeros((height, width, image.shape[2]), np.int32)
    heights = [math.isqrt(radius**2 - right**2) for right in range(radius + 1)]
    inner = None  # the columns' sums of the previous, lower rectangles
    for right in range(radius, -1, -1):
        if right < radius and heights[right] == heights[right + 1]:
            continue  # the widest rectangle of this height has been added
        down = heights[right]
        columns = integral[radius + down + 1 :][:height] - integral[radius - down :][:height]
        more = columns if inner is None else columns - inner
        cv2.add(sums, more[:, radius + right + 1 :][:, :width], dst=sums)
        cv2.subtract(sums, more[:, radius - right :][:, :width], dst=sums)
        inner = columns
    return sums


def _centred(kernel: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Return a square kernel cropped, or padded with zeros, to a reach."""
    more = reach - len(kernel) // 2
    return np.pad(kernel, more) if more > 0 else kernel[-more : len(kernel) + more, -more : len(kernel) + more]


def disk(radius: int, sigma: float) -> Floats:
    """Return the kernel of defocus, float32: 17x17 up to radius 8, else (2r + 1)x(2r + 1). It sums to 1 unsoftened."""
    reach, size = (8, 3) if radius <= 8 else (radius, 5)
    across = np.arange(-reach, reach + 1)
    inside = (across[:, None] ** 2 + across[None, :] ** 2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    return cv2.GaussianBlur(inside, (size, size), sigma) if sigma else inside


@corruption
def motion_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A one-sided blur along a direction drawn from U(-45, 45) degrees."""
    radius, sigma = parameters("motion_blur", severity)  # type: ignore[misc]
    return truncated(motion(image, radius, sigma, rng.uniform(-45, 45)))


@corruption
def zoom_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The mean of the image and of its copies zoomed into the centre."""
    end, step = parameters("zoom_blur", severity)  # type: ignore[misc]
    factors = np.arange(1, end, step)
    # OpenCV warps four channels three times as fast as three
    values = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).astype(np.float32)
    blurred = np.empty_like(image)
    for rows in bands(image):
        total = 2 * values[rows]  # the image itself, and the copy with zoom factor 1
        for factor in factors[1:]:
            total += zoom_centre(values, float(factor), rows, image.shape[1])
        total *= np.float32(1 / (len(factors) + 1))
        blurred[rows] = truncated(total)[..., :3]
    return blurred


@corruption
def glass_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blur, replace pixels by neighbours in raster order from the lower right, blur again."""
    sigma, delta, iterations = parameters("glass_blur", severity)  # type: ignore[misc]
    height, width = image.shape[:2]
    pixels = cv2.cvtColor(_gaussian(image, sigma), cv2.COLOR_RGB2RGBA).view(np.uint32).ravel()
    for _ in range(iterations):
        offsets = rng.integers(-delta, delta, size=(height - 2 * delta, width - 2 * delta, 2), dtype=np.int8)
        pixels = pixels.take(_sources(height, width, delta, offsets))
    shuffled = cv2.cvtColor(pixels.view(np.uint8).reshape(height, width, 4), cv2.COLOR_RGBA2RGB)
    del pixels
    return _gaussian(shuffled, sigma)


def _sources(height: int, width: int, delta: int, offsets: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """Return the index of the pixel that each pixel's final value comes from, int32 (height * width,).

    The inner pixels take a neighbour's value in turn, from the lower right to the upper left. `offsets[i, j]` are the
    columns right and rows down of the neighbour. A neighbour that has had its turn passes on the value that it took, so
    the sources form chains. The loop follows all chains to their ends by doubling.
    """
    source = np.arange(height * width, dtype=np.int32)
    inside = slice(delta + 1, height - delta + 1), slice(delta + 1, width - delta + 1)
    step = offsets[::-1, ::-1, 1] * np.int32(width)
    step += offsets[::-1, ::-1, 0]
    source.reshape(height, width)[inside] += step
    # inner pixels that come later in memory have had their turn: they pass on the value that they took
    inner = np.zeros((height, width), dtype=bool)
    inner[inside] = True
    later = np.zeros((height, width), dtype=bool)
    later[inside] = step > 0
    del step
    follows = later.ravel()
    follows &= inner.ravel().take(source)
    open_ends = np.flatnonzero(follows)
    while len(open_ends):
        ahead = source.take(open_ends)
        next_source, still_open = source.take(ahead), follows.take(ahead)
        source[open_ends] = next_source
        follows[open_ends] = still_open
        open_ends = open_ends[still_open]
    return source
