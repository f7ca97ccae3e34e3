"""Pixels -> corrupted pixels."""

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
    """An image under a condition; `drawn` names what a mixture drew for it."""

    pixels: Image
    drawn: str | None = None


class Corruptor:
    """Applies the conditions of a run. Keyed by seed and data set; safe to call from several threads.

    Args:
        host: where corruptions are found.
        conditions: every condition that will be asked for.
        seed: of the suite.
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
        """Return a corruption's code, imported when it is first asked for."""
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
            except (Exception, SystemExit) as error:  # a corruption is a plugin's code
                said = " ".join(str(error).split())
                raise ImageError(f"{sample}: corruption `{name}` raised {type(error).__name__}: {said}") from error
            if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
                what = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
                raise ImageError(f"{sample}: corruption `{name}` returned {what}, not uint8 {shape}")
        if np.may_share_memory(pixels, source) or not pixels.flags.c_contiguous:
            pixels = pixels.copy()
        return Corrupted(pixels, ",".join(drawn) if condition.mixture else None)
