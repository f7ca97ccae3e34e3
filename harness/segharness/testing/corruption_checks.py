"""Checks a corruption: what it returns, where its randomness comes from, and that its severities differ."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.records import Corruption
from segharness.testing.findings import Finding, first_broken, listed, raised
from segharness.testing.labelled_images import photographs

if TYPE_CHECKING:
    from segharness.records import Image

_GENERATORS = ("default_rng", "Generator", "RandomState", "seed")
_LOOK_AT_RNG = "take every random number from `rng`, the third argument"


def check_corruption(corruption: Corruption, severities: Sequence[int] = (1, 2, 3, 4, 5), *, smallest: int = 1) -> None:
    """Check a corruption; see `corruption_findings`.

    Args:
        corruption: to check.
        severities: to check it at.
        smallest: the shortest side in pixels that it takes.

    Raises:
        AssertionError: a rule is broken; the message names it, and where to look.
    """
    first_broken(corruption_findings(corruption, severities, smallest=smallest))


def corruption_findings(
    corruption: Corruption,
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    smallest: int = 1,
    images: Sequence[Image] = (),
) -> list[Finding]:
    """Return what each check of a corruption found, on images of several sizes.

    Args:
        corruption: to check.
        severities: to check it at.
        smallest: the shortest side in pixels that it takes.
        images: uint8 RGB (H, W, 3); made if there are none.

    Example:
        >>> [finding.rule for finding in corruption_findings(lambda image, severity, rng: image.copy()) if finding.problem]
        ['severity']
    """
    return listed(_findings(corruption, severities, smallest, list(images) or _images(smallest)))


def _images(smallest: int) -> list[Image]:
    photograph = photographs(1)[0]
    least = smallest if smallest > 1 else 16
    sizes = ((least, least + 1), (max(33, least), max(47, least)), (max(64, least), max(40, least)))
    return [photograph, *(np.ascontiguousarray(np.resize(photograph, (h, w, 3))) for h, w in sizes)]


def _global_state() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=False)
    torch: Any = sys.modules.get("torch")
    of_torch = torch.get_rng_state().numpy().tobytes() if torch is not None else b""
    return of_torch, random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"], state["has_gauss"]


def _rng(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def _findings(
    corruption: Corruption, severities: Sequence[int], smallest: int, images: Sequence[Image]
) -> Iterator[Finding]:
    results: dict[int, list[Image]] = {severity: [] for severity in severities}
    for image in images:
        before = image.copy()
        for severity in severities:
            where = f"severity {severity}, an image of {image.shape[0]}x{image.shape[1]}"
            first, problem = raised(lambda i=image, s=severity: corruption(i, s, _rng(s)))  # type: ignore[misc]
            if problem is not None:
                small = image is not images[0] and bool(results[severity])
                size = "the size: a spec says in `smallest` from which side on it takes images"
                yield Finding("runs", f"{where}: {problem}", size if small else "the code of the corruption")
                return
            if not np.array_equal(image, before):
                yield Finding("input", f"{where}: the input was modified", "copy the image before writing to it")
                return
            if not isinstance(first, np.ndarray) or first.dtype != np.uint8:
                kind = getattr(first, "dtype", type(first).__name__)
                yield Finding("pixels", f"{where}: not uint8 but {kind}", "round, clip to 0..255 and convert")
                return
            if first.shape != image.shape:
                text = f"{where}: shape {first.shape}, not {image.shape}"
                grey = first.ndim == 2 and first.shape == image.shape[:2]
                look = (
                    "the channels: an image is RGB, (H, W, 3)" if grey else "a corruption keeps the size of its image"
                )
                yield Finding("pixels", text, look)
                return
            results[severity].append(first)
    yield from (Finding(rule) for rule in ("runs", "input", "pixels"))
    yield _randomness(corruption, severities, images[0])
    yield _strength(corruption, results, severities, images)


def _randomness(corruption: Corruption, severities: Sequence[int], image: Image) -> Finding:
    """Call it twice with equal generators, and watch every other source of randomness."""
    for severity in severities:
        first, second = (corruption(image.copy(), severity, _rng(severity)) for _ in range(2))
        if not np.array_equal(first, second):
            return Finding(
                "randomness",
                f"severity {severity}: the same generator gave other pixels",
                f"{_LOOK_AT_RNG}; keep no state",
            )
        before = _global_state()
        rng = _rng(severity)
        start = str(rng.bit_generator.state)
        with _watched() as made:
            corruption(image.copy(), severity, rng)
        if before != _global_state():
            return Finding("randomness", f"severity {severity}: global random numbers were drawn", _LOOK_AT_RNG)
        drawn = str(rng.bit_generator.state) != start
        if made and not drawn:
            text = f"severity {severity}: it makes a generator of its own (numpy.random.{made[0]}) and ignores `rng`"
            return Finding("randomness", text, _LOOK_AT_RNG)
        if _noise_is_fixed(corruption, severity, image.shape[:2]):
            text = f"severity {severity}: an even image gets the same noise from any generator"
            return Finding("randomness", text, _LOOK_AT_RNG)
    return Finding("randomness")


def _noise_is_fixed(corruption: Corruption, severity: int, shape: tuple[int, int]) -> bool:
    """Return whether an even image gets the same noise from two generators.

    Noise is what no neighbour tells anything of: a vignette is smooth, and lines or a dithering come again.
    """
    even = np.full((*shape, 3), 120, dtype=np.uint8)
    first, second = (corruption(even.copy(), severity, _rng(key)).astype(np.float64) for key in (1, 2))
    if not np.array_equal(first, second):
        return False
    rest = first[..., 0] - first[..., 0].mean()
    power = float((rest**2).mean())
    if power < 0.5:
        return False
    likeness = [
        float((rest[dy:, dx:] * rest[: shape[0] - dy, : shape[1] - dx]).mean()) / power
        for dy, dx in [*((0, n) for n in range(1, 9)), *((n, 0) for n in range(1, 9))]
    ]
    return max(map(abs, likeness)) < 0.25


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Yield the names of the functions of numpy that were called to make or seed a generator."""
    made: list[str] = []

    class Watched(type):
        """Stands for a class or a function of numpy: notes its calls, and has its instances."""

        original: Any

        def __call__(cls, *args: Any, **keywords: Any) -> Any:
            made.append(cls.__name__)
            return cls.original(*args, **keywords)

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, cls.original)

    def watched(name: str, original: Any) -> Any:
        return Watched(name, (), {"original": staticmethod(original) if inspect.isfunction(original) else original})

    originals = {name: getattr(np.random, name) for name in _GENERATORS}
    try:
        for name, original in originals.items():
            setattr(np.random, name, watched(name, original))
        yield made
    finally:
        for name, original in originals.items():
            setattr(np.random, name, original)


def _strength(
    corruption: Corruption, results: dict[int, list[Image]], severities: Sequence[int], images: Sequence[Image]
) -> Finding:
    """Return whether severities change the image, each differently, and the strongest more than the mildest."""
    changes = {
        s: float(np.mean([np.abs(a.astype(float) - b).mean() for a, b in zip(results[s], images, strict=True)]))
        for s in severities
    }
    for severity in severities:
        if changes[severity] == 0 and all(
            np.array_equal(corruption(images[0].copy(), severity, _rng(key)), images[0]) for key in range(100, 116)
        ):
            text = f"severity {severity} leaves every pixel as it was"
            return Finding("severity", text, "the table that maps severities to strengths")
    for first, second in pairwise(severities):
        if all(_same_pixels(corruption, images[0], first, second, key) for key in range(200, 208)):
            text = f"severities {first} and {second} give the same pixels from the same generator"
            return Finding("severity", text, "the parameter `severity`, which should change the strength")
    mildest, strongest = severities[0], severities[-1]
    if changes[strongest] < 0.7 * changes[mildest]:
        text = (
            f"severity {strongest} changes pixels by {changes[strongest]:.1f}, and {mildest} by {changes[mildest]:.1f}"
        )
        return Finding("severity", text, "the order of strengths: 1 is the mildest")
    return Finding("severity")


def _same_pixels(corruption: Corruption, image: Image, first: int, second: int, key: int) -> bool:
    """Return whether two severities give the same pixels from equal generators."""
    one, other = (corruption(image.copy(), severity, _rng(key)) for severity in (first, second))
    return np.array_equal(one, other)
