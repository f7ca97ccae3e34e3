"""Where the time goes: seconds a stage, added up over images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class StageTimings:
    """Seconds of the stages of some images.

    Attributes:
        decode, corrupt: of the threads before the model; `corrupt` includes the digest of the pixels.
        waited: the model waited for an image.
        predict: the model worked.
        stalled: the model waited because too many answers were still to be encoded.
        encode: of the threads after the model: answers checked, masks encoded.
        write: a file made, written and flushed.
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
        """Add another's seconds; stages it does not have are not touched, for a thread may be at them."""
        for name, seconds in vars(other).items():
            if seconds:
                setattr(self, name, getattr(self, name) + seconds)

    def to_json(self) -> dict[str, float]:
        return {name: round(seconds, 6) for name, seconds in vars(self).items()}
