"""Checks a corruption: what it returns, where its randomness comes from, and that its severities differ."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from segharness.records import Corruption
from segharness.testing.findings import Finding, first_broken, raised
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
    return list(_findings(corruption, severities, smallest, list(images) or _images(smallest)))


def _images(smallest: int) -> list[Image]:
    photograph = photographs(1)[0]
    sizes = [(max(h, smallest), max(w, smallest)) for h, w in ((32, 32), (33, 47), (64, 40))]
    return [np.ascontiguousarray(np.resize(photograph, (h, w, 3))) for h, w in sizes] + [photograph]


def _global_state() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=False)
    return random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"], state["has_gauss"]


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
                yield Finding(
                    "runs", f"{where}: {problem}", "the smallest size that it takes is `smallest` of its spec"
                )
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
                yield Finding("pixels", text, "a corruption keeps the size of its image")
                return
            results[severity].append(first)
    yield from (Finding(rule) for rule in ("runs", "input", "pixels"))
    yield _randomness(corruption, severities, images[0])
    yield from _strength(results, severities, images)


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
        start = rng.bit_generator.state["state"]["counter"].copy()
        with _watched() as made:
            corruption(image.copy(), severity, rng)
        if before != _global_state():
            return Finding("randomness", f"severity {severity}: global random numbers were drawn", _LOOK_AT_RNG)
        drawn = (
            not np.array_equal(rng.bit_generator.state["state"]["counter"], start)
            or rng.bit_generator.state["has_uint32"]
        )
        if made and not drawn:
            text = f"severity {severity}: it makes a generator of its own (numpy.random.{made[0]}) and ignores `rng`"
            return Finding("randomness", text, _LOOK_AT_RNG)
    return Finding("randomness")


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

    with mock.patch.multiple(np.random, **{name: watched(name, getattr(np.random, name)) for name in _GENERATORS}):
        yield made


def _strength(results: dict[int, list[Image]], severities: Sequence[int], images: Sequence[Image]) -> Iterator[Finding]:
    changed = {
        s: float(np.mean([np.mean(a != b) for a, b in zip(results[s], images, strict=True)])) for s in severities
    }
    nothing = [severity for severity in severities if changed[severity] == 0]
    if nothing:
        text = f"severity {nothing[0]} leaves every pixel as it was"
        yield Finding("severity", text, "the table that maps severities to strengths")
        return
    for first, second in pairwise(severities):
        if all(np.array_equal(a, b) for a, b in zip(results[first], results[second], strict=True)):
            text = f"severities {first} and {second} give the same pixels from generators of their own"
            yield Finding("severity", text, "the parameter `severity`, which should change the strength")
            return
    yield Finding("severity")
