"""The corruptions as data: names, categories, descriptions, parameters by severity, and the named sets."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST = 32
"""The least length of an image's shorter side in pixels, as in the reference package."""


@dataclass(frozen=True)
class Entry:
    """A corruption and its parameters at severities 1 to 5.

    Attributes:
        name: of the corruption, and of its function.
        category: ``noise``, ``blur``, ``weather`` or ``digital``.
        description: one line for listings.
        symbols: what the parameters mean, in their order.
        parameters: one value, or one tuple of values, for each severity.
        version: rises when the pixels change.
    """

    name: str
    category: str
    description: str
    symbols: str
    parameters: tuple[object, ...]
    version: str = "2"

    @property
    def module(self) -> str:
        """The module of this package that holds the function."""
        return self.category


CATALOGUE: tuple[Entry, ...] = (
    Entry("gaussian_noise", "noise", "additive Gaussian noise", "sigma", (0.08, 0.12, 0.18, 0.26, 0.38)),
    Entry("shot_noise", "noise", "Poisson noise of a photon count", "photons at white", (60, 25, 12, 5, 3)),
    Entry("impulse_noise", "noise", "salt and pepper", "share of values", (0.03, 0.06, 0.09, 0.17, 0.27)),
    Entry(
        "defocus_blur",
        "blur",
        "disk-shaped blur",
        "radius, alias sigma",
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    Entry(
        "glass_blur",
        "blur",
        "pixels shuffled locally, as behind frosted glass",
        "sigma, max delta, iterations",
        ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    Entry(
        "motion_blur",
        "blur",
        "one-sided blur along a random direction within 45 degrees of the horizontal",
        "radius, sigma",
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    Entry(
        "zoom_blur",
        "blur",
        "mean over zoomed copies",
        "end, step of the zoom factors from 1",
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    ),
    Entry(
        "snow",
        "weather",
        "falling snow and a whitened scene",
        "mean, scale, zoom, threshold, radius, sigma, mix",
        (
            (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    Entry(
        "frost",
        "weather",
        "a random crop of a picture of frost laid over the scene",
        "image weight, frost weight",
        ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
    Entry(
        "fog",
        "weather",
        "a diamond-square height map added",
        "strength, wibble decay",
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    ),
    Entry("brightness", "digital", "V of HSV raised", "added to V", (0.1, 0.2, 0.3, 0.4, 0.5)),
    Entry(
        "contrast", "digital", "contrast lowered about the mean of each channel", "factor", (0.4, 0.3, 0.2, 0.1, 0.05)
    ),
    Entry(
        "elastic_transform",
        "digital",
        "a smooth random displacement of every pixel",
        "alpha",
        (12.5, 16.25, 21.25, 25.0, 30.0),
    ),
    Entry("pixelate", "digital", "box downsampling, nearest upsampling", "scale", (0.6, 0.5, 0.4, 0.3, 0.25), "1"),
    Entry("jpeg_compression", "digital", "JPEG at low quality", "quality", (25, 18, 15, 10, 7), "1"),
    Entry("speckle_noise", "noise", "multiplicative Gaussian noise", "sigma", (0.15, 0.2, 0.35, 0.45, 0.6)),
    Entry("gaussian_blur", "blur", "Gaussian blur", "sigma", (1, 2, 3, 4, 6)),
    Entry(
        "spatter",
        "weather",
        "drops of water (severity 1 to 3) or mud (4 and 5) on the lens",
        "mean, scale, sigma, threshold, intensity, mud",
        (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
    ),
    Entry(
        "saturate",
        "digital",
        "S of HSV scaled and raised",
        "factor, addend",
        ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
    ),
)
"""In the order of the imagecorruptions package: 15 common, then 4 for validation."""

PAPER15 = (
    "motion_blur", "defocus_blur", "gaussian_blur",
    "gaussian_noise", "impulse_noise", "shot_noise", "speckle_noise",
    "brightness", "contrast", "saturate", "jpeg_compression",
    "snow", "spatter", "fog", "frost",
)  # fmt: skip
"""The 15 of "Benchmarking the Robustness of Instance Segmentation Models", in the order of its tables."""

BY_NAME = {entry.name: entry for entry in CATALOGUE}

COMMON = tuple(entry.name for entry in CATALOGUE[:15])
ALL = tuple(entry.name for entry in CATALOGUE)
STAGES = tuple(
    tuple(name for name in PAPER15 if BY_NAME[name].category == category)
    for category in ("blur", "noise", "digital", "weather")
)
"""``mixed`` draws one name from each stage and applies them in this order."""

MIXED = "mixed"
REFERENCE = "imagecorruptions/"
"""Prefix of the names of the imagecorruptions package's own corruptions."""


def parameters(name: str, severity: int) -> object:
    """Return the parameters of a corruption at a severity from 1 to 5.

    Example:
        >>> parameters("fog", 3)
        (2.5, 1.7)
    """
    return BY_NAME[name].parameters[severity - 1]
