"""Measures where time goes: the seconds of each stage, summed over images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class StageTimings:
    """The seconds of each stage.

    Attributes:
        decode: decoding, in the threads before the model.
        corrupt: corrupting and hashing the pixels, in the threads before the model.
        waited: the model waited for an image.
        predict: the model worked.
        stalled: the model waited because too many answers were waiting to be encoded.
        encode: checking answers and encoding masks, in the threads after the model.
        write: making, writing and flushing a file.
    """

    decode: float = 0.0
    corrupt: float = 0.0
    waited: float = 0.0
    predict: float = 0.0
    stalled: float = 0.0
    encode: float = 0.0
    write: float = 0.0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of a `with` block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - began)

    def add(self, other: StageTimings) -> None:
        """Add the seconds of `other`. Stages without seconds stay untouched, because a thread may be changing them."""
        for name, seconds in vars(other).items():
            if seconds:
                setattr(self, name, getattr(self, name) + seconds)

    def to_json(self) -> dict[str, float]:
        """Return the seconds by stage, rounded to microseconds."""
        return {name: round(seconds, 6) for name, seconds in vars(self).items()}
