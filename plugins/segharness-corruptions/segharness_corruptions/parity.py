"""Compares these corruptions with the imagecorruptions package: ``python -m segharness_corruptions.parity IMAGE...``

Corruptions without randomness are compared directly. Corruptions that draw a field, an angle, a crop or offsets are
compared with the package under the same draws. Per-pixel noise is compared by its distribution for every level. Needs
the extra ``[reference]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from segharness_corruptions import _function
from segharness_corruptions.catalogue import ALL, BY_NAME
from segharness_corruptions.draws import normals, uniforms
from segharness_corruptions.imagecorruptions_family import PACKAGE
from segharness_corruptions.pixels import Image

NOISES = tuple(name for name in ALL if BY_NAME[name].category == "noise")
SEVERITIES = (1, 2, 3, 4, 5)
SIZES = {"odd": (333, 501), "small": (33, 47), "large": (1024, 2048)}
"""Heights and widths to which the first image is resized as well."""


class SameDraws:
    """Replaces ``numpy.random`` in the package, and draws what this plugin's corruption draws from the same key."""

    def __init__(self, key: int, shape: Sequence[int]) -> None:
        self._rng = generator(key)
        self._shape = shape
        self._offsets: dict[int, Iterator[Any]] = {}

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        """Return a number, or a field of float64, from U(low, high)."""
        if size is None:
            return self._rng.uniform(low, high)
        return (high - low) / 2 * uniforms(self._rng, tuple(size)).astype(np.float64) + (high + low) / 2

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        """Return a field of float64 from N(loc, scale)."""
        return loc + scale * normals(self._rng, tuple(size)).astype(np.float64)

    def randint(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """Return a whole number, or the next pair of glass blur's offsets."""
        if size is None:
            return int(self._rng.integers(low, high) if high is not None else self._rng.integers(low))
        assert high is not None
        return next(self._offsets.setdefault(high, self._pairs(high)))

    def _pairs(self, delta: int) -> Iterator[Any]:
        while True:
            yield from (
                self._rng.integers(-delta, delta, (self._shape[0] - 2 * delta, self._shape[1] - 2 * delta, 2), np.int8)
                .reshape(-1, 2)
                .astype(int)
            )


def generator(key: int) -> np.random.Generator:
    """Return a Philox generator with a key."""
    return np.random.Generator(np.random.Philox(key=key))


def difference(name: str, image: Image, severity: int, key: int = 0) -> npt.NDArray[np.int16]:
    """Return this plugin's pixels minus the package's, int16 (H, W, 3), both with the same draws."""
    pixels = _function("", name)(image, severity, generator(key))
    package_pixels = PACKAGE.corrupt(name, image, severity, SameDraws(key, image.shape))
    return pixels.astype(np.int16) - package_pixels.astype(np.int16)


@dataclass(frozen=True)
class Agreement:
    """How far this plugin is from the package over several images.

    Attributes:
        most: the largest difference, levels.
        over: the share of values that differ by more than 1 level.
        equal: the share of values that are equal.
        shift: the mean of this plugin's values minus the package's, levels.
    """

    most: int
    over: float
    equal: float
    shift: float


def agreement(differences: Iterable[npt.NDArray[np.int16]]) -> Agreement:
    """Return `most` and `over` of the worst image, and `equal` and `shift` over all values of all images."""
    most, over, equal, total, values = 0, 0.0, 0, 0, 0
    for levels in differences:
        distance = np.abs(levels)
        most, over = max(most, int(distance.max())), max(over, float((distance > 1).mean()))
        equal, total, values = equal + int((levels == 0).sum()), total + int(levels.sum()), values + levels.size
    return Agreement(most, over, equal / values, total / values)


@dataclass(frozen=True)
class NoiseAgreement:
    """How far apart two samples of a noise are, over the 256 levels.

    Attributes:
        mean, variance: squared differences of means and of variances, in standard errors, averaged over the levels;
            about 1 for equal distributions.
        quantile: the largest difference between the shares of values up to the package's 5, 25, 50, 75 and 95 %
            quantiles.
        least_p: the smallest p of the 256 two-sample Kolmogorov-Smirnov tests, times 256.
    """

    mean: float
    variance: float
    quantile: float
    least_p: float


def noise_agreement(name: str, severity: int, samples: int = 6000, key: int = 0) -> NoiseAgreement:
    """Compare a noise with the package's for every level, with `samples` values of each."""
    from scipy.stats import ks_2samp

    columns, shares = samples // 3, (0.05, 0.25, 0.5, 0.75, 0.95)
    image = np.repeat(np.arange(256, dtype=np.uint8), 3 * columns).reshape(256, columns, 3)
    rows = _function("", name)(image, severity, generator(key)).reshape(256, -1).astype(np.float64)
    package_rows = (
        PACKAGE.corrupt(name, image, severity, np.random.RandomState(key)).reshape(256, -1).astype(np.float64)
    )
    means, variances, worst_quantile, least_p = [], [], 0.0, 1.0
    for a, b in zip(rows, package_rows, strict=True):
        spread = (a.var() + b.var()) / 2
        if spread == 0:
            assert a[0] == b[0] and np.ptp(a) == np.ptp(b) == 0, f"{name}: a level is constant in one sample alone"
            continue
        centred = np.concatenate([a - a.mean(), b - b.mean()])
        fourth = float((centred**4).mean() - (centred**2).mean() ** 2)
        means.append((a.mean() - b.mean()) ** 2 / (2 * spread / columns / 3))
        variances.append((a.var() - b.var()) ** 2 / (2 * fourth / columns / 3))
        for quantile in np.quantile(b, shares, method="inverted_cdf"):
            worst_quantile = max(worst_quantile, abs(float((a <= quantile).mean() - (b <= quantile).mean())))
        least_p = min(least_p, float(ks_2samp(a, b, method="asymp").pvalue))
    return NoiseAgreement(float(np.mean(means)), float(np.mean(variances)), worst_quantile, min(1.0, 256 * least_p))


def pictures(files: Sequence[Path]) -> Mapping[str, Image]:
    """Return the images by name, and the first of them in gray and resized to each of `SIZES`."""
    images = {file.name: np.asarray(PillowImage.open(file).convert("RGB")) for file in files}
    first = PillowImage.fromarray(next(iter(images.values())))
    images["gray"] = np.asarray(first.convert("L").convert("RGB"))
    for name, (height, width) in SIZES.items():
        images[f"{name} {width}x{height}"] = np.asarray(first.resize((width, height), PillowImage.Resampling.BICUBIC))
    return images


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of the README for the images that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("images", nargs="+", type=Path, help="photographs")
    parser.add_argument("--corruptions", nargs="+", default=ALL, choices=ALL, metavar="NAME")
    parser.add_argument("--no-large", action="store_true", help=f"leave {SIZES['large']} out: glass blur takes minutes")
    args = parser.parse_args(arguments)
    images = {name: image for name, image in pictures(args.images).items() if not (args.no_large and "large" in name)}
    print(", ".join(f"{name} {image.shape[1]}x{image.shape[0]}" for name, image in images.items()), file=sys.stderr)
    print("| corruption | most | over 1 | equal | shift |\n|---|---:|---:|---:|---:|")
    for name in args.corruptions:
        if name not in NOISES:
            row = agreement(difference(name, image, s, s) for image in images.values() for s in SEVERITIES)
            print(f"| {name} | {row.most} | {row.over:.4%} | {row.equal:.2%} | {row.shift:+.4f} |", flush=True)
    print("\n| noise | severity | mean | variance | quantile | least p |\n|---|---:|---:|---:|---:|---:|")
    for name in args.corruptions:
        for severity in SEVERITIES if name in NOISES else ():
            noise = noise_agreement(name, severity)
            shares = f"{noise.mean:.2f} | {noise.variance:.2f} | {noise.quantile:.2%} | {noise.least_p:.2f}"
            print(f"| {name} | {severity} | {shares} |")


if __name__ == "__main__":
    main()
