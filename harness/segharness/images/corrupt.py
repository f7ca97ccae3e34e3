"""Applies conditions to the pixels of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segharness.errors import ImageError
from segharness.images.randomness import generator
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import CorruptionSpec, MixtureSpec
from segharness.records import Condition, Corruption, Sample

if TYPE_CHECKING:
    from segharness.records import Image


@dataclass(frozen=True)
class Corrupted:
    """An image under a condition.

    Attributes:
        pixels: uint8 RGB (H, W, 3), contiguous; they share no memory with the image that was corrupted.
        drawn: the corruptions that a mixture drew for the image, joined by commas; None without a mixture.
    """

    pixels: Image
    drawn: str | None = None


class Corruptor:
    """Applies the conditions of a run. May be called from several threads.

    Args:
        host: the plugins that have the corruptions.
        conditions: the conditions that will be applied, by name.
        seed: the suite's seed.
    """

    def __init__(self, host: PluginHost, conditions: Mapping[str, Condition], seed: int) -> None:
        self._seed = seed
        self._stages: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._functions: dict[str, Corruption] = {}
        for condition in conditions.values():
            if condition.corruption is not None:
                spec: Any = host.get(condition.corruption, CorruptionSpec, MixtureSpec)
                self._stages[condition.name] = spec.stages if isinstance(spec, MixtureSpec) else ((spec.name,),)
        self._host = host

    def _function(self, name: str) -> Corruption:
        """Return the function of a corruption, which is imported on first use."""
        if name not in self._functions:
            self._functions[name] = load(self._host.get(name, CorruptionSpec).apply)
        return self._functions[name]

    def __call__(self, pixels: Image, condition: Condition, sample: Sample, dataset: str) -> Corrupted:
        """Return the image under a condition.

        Raises:
            ImageError: a corruption raised, or broke its contract.
        """
        source = pixels
        if condition.corruption is None or condition.severity is None:
            return Corrupted(pixels.copy())
        rng = generator(self._seed, dataset, sample.image_id, condition.corruption, condition.severity)
        drawn = []
        for stage in self._stages[condition.name]:
            name = stage[int(rng.integers(len(stage)))] if len(stage) > 1 else stage[0]
            drawn.append(name)
            shape = pixels.shape
            try:
                pixels = self._function(name)(pixels, condition.severity, rng)
            except (Exception, SystemExit) as error:  # a plugin's code may raise anything
                text = " ".join(str(error).split())
                raise ImageError(f"{sample}: corruption `{name}` raised {type(error).__name__}: {text}") from error
            if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
                result = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
                raise ImageError(f"{sample}: corruption `{name}` returned {result}, not uint8 {shape}")
        if np.may_share_memory(pixels, source) or not pixels.flags.c_contiguous:
            pixels = pixels.copy()
        return Corrupted(pixels, ",".join(drawn) if condition.mixture else None)
