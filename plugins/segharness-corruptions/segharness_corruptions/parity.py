"""Holds our corruptions to the imagecorruptions package: ``python -m segharness_corruptions.parity IMAGE...``

What draws nothing is compared as it is; what draws a field, an angle, a crop or offsets is compared with the package given
the same draws; per-pixel noise is compared by its distribution for every level. Needs the extra ``[reference]``.
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
from segharness_corruptions.pixels import Image
from segharness_corruptions.reference import PACKAGE

NOISES = tuple(name for name in ALL if BY_NAME[name].category == "noise")
SEVERITIES = (1, 2, 3, 4, 5)
SIZES = {"odd": (333, 501), "small": (33, 47), "large": (1024, 2048)}
"""Height and width that the first image is brought to, beside the images as they are."""


class SameDraws:
    """Stands for ``numpy.random`` in the package, and draws what our corruption of an image draws from the same key."""

    def __init__(self, key: int, shape: Sequence[int]) -> None:
        self._rng = generator(key)
        self._shape = shape
        self._offsets: dict[int, Iterator[Any]] = {}

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        if size is None:
            return self._rng.uniform(low, high)
        return (high - low) / 2 * uniforms(self._rng, tuple(size)).astype(np.float64) + (high + low) / 2

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        return loc + scale * normals(self._rng, tuple(size)).astype(np.float64)

    def randint(self, low: int, high: int | None = None, size: Any = None) -> Any:
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
    return np.random.Generator(np.random.Philox(key=key))


def difference(name: str, image: Image, severity: int, key: int = 0) -> npt.NDArray[np.int16]:
    """Return ours minus the package's, int16 (H, W, 3), both with the same draws."""
    ours = _function("", name)(image, severity, generator(key))
    theirs = PACKAGE.corrupt(name, image, severity, SameDraws(key, image.shape))
    return ours.astype(np.int16) - theirs.astype(np.int16)


@dataclass(frozen=True)
class Agreement:
    """How far ours is from the package over some images.

    `most` levels at the most, `over` the share of values more than 1 apart, `equal` the share that is the same, `shift`
    the mean of ours minus the package's, in levels.
    """

    most: int
    over: float
    equal: float
    shift: float


def agreement(differences: Iterable[npt.NDArray[np.int16]]) -> Agreement:
    """Return the worst image's `most` and `over`, and `equal` and `shift` over all values."""
    most, over, equal, total, values = 0, 0.0, 0, 0, 0
    for found in differences:
        apart = np.abs(found)
        most, over = max(most, int(apart.max())), max(over, float((apart > 1).mean()))
        equal, total, values = equal + int((found == 0).sum()), total + int(found.sum()), values + found.size
    return Agreement(most, over, equal / values, total / values)


@dataclass(frozen=True)
class NoiseAgreement:
    """How far apart two samples of a noise are, over the 256 levels.

    `mean` and `variance` are sums over the levels of squared differences in standard errors, divided by the number of
    levels: about 1 for equal distributions. `quantile` is the largest difference between the shares of values up to the
    package's 5, 25, 50, 75 and 95 % quantile. `least_p` is the smallest p of the 256 two-sample Kolmogorov-Smirnov
    tests, times 256.
    """

    mean: float
    variance: float
    quantile: float
    least_p: float


def noise_agreement(name: str, severity: int, samples: int = 6000, key: int = 0) -> NoiseAgreement:
    """Compare the package's noise with ours for every level, `samples` values of each."""
    from scipy.stats import ks_2samp

    columns, shares = samples // 3, (0.05, 0.25, 0.5, 0.75, 0.95)
    image = np.repeat(np.arange(256, dtype=np.uint8), 3 * columns).reshape(256, columns, 3)
    ours = _function("", name)(image, severity, generator(key)).reshape(256, -1).astype(np.float64)
    theirs = PACKAGE.corrupt(name, image, severity, np.random.RandomState(key)).reshape(256, -1).astype(np.float64)
    means, variances, quantiles, least = [], [], 0.0, 1.0
    for a, b in zip(ours, theirs, strict=True):
        spread = (a.var() + b.var()) / 2
        if spread == 0:
            assert a[0] == b[0] and np.ptp(a) == np.ptp(b) == 0, f"{name}: a level is constant in one sample alone"
            continue
        centred = np.concatenate([a - a.mean(), b - b.mean()])
        fourth = float((centred**4).mean() - (centred**2).mean() ** 2)
        means.append((a.mean() - b.mean()) ** 2 / (2 * spread / columns / 3))
        variances.append((a.var() - b.var()) ** 2 / (2 * fourth / columns / 3))
        for quantile in np.quantile(b, shares, method="inverted_cdf"):
            quantiles = max(quantiles, abs(float((a <= quantile).mean() - (b <= quantile).mean())))
        least = min(least, float(ks_2samp(a, b, method="asymp").pvalue))
    return NoiseAgreement(float(np.mean(means)), float(np.mean(variances)), quantiles, min(1.0, 256 * least))


def pictures(files: Sequence[Path]) -> Mapping[str, Image]:
    """Return the images, and the first of them in gray and at the sizes that are hard."""
    found = {file.name: np.asarray(PillowImage.open(file).convert("RGB")) for file in files}
    first = PillowImage.fromarray(next(iter(found.values())))
    found["gray"] = np.asarray(first.convert("L").convert("RGB"))
    for name, (height, width) in SIZES.items():
        found[f"{name} {width}x{height}"] = np.asarray(first.resize((width, height), PillowImage.Resampling.BICUBIC))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
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
            found = agreement(difference(name, image, s, s) for image in images.values() for s in SEVERITIES)
            print(f"| {name} | {found.most} | {found.over:.4%} | {found.equal:.2%} | {found.shift:+.4f} |", flush=True)
    print("\n| noise | severity | mean | variance | quantile | least p |\n|---|---:|---:|---:|---:|---:|")
    for name in args.corruptions:
        for severity in SEVERITIES if name in NOISES else ():
            one = noise_agreement(name, severity)
            print(
                f"| {name} | {severity} | {one.mean:.2f} | {one.variance:.2f} | {one.quantile:.2%} | {one.least_p:.2f} |"
            )


if __name__ == "__main__":
    main()
