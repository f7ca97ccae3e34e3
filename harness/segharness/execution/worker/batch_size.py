"""The number of images per call of `predict`: set by the suite or searched (``auto``), halved if memory is short."""

from __future__ import annotations

AUTO = "auto"

LARGEST = 64
"""The largest batch that ``auto`` tries."""

_CALLS = 3
"""The number of calls that try a size. The first does not count, because it may compile."""

_GAIN = 0.95
"""A larger batch is kept if an image takes at most this share of its time in the smaller one."""


class BatchSize:
    """The batch size of one model on one device.

    ``auto`` begins with 1 and doubles the size while images get cheaper and memory suffices. Then it keeps the best.

    Attributes:
        now: the current size.
        searching: ``auto`` is still trying sizes.

    Args:
        wanted: a number from 1, or ``"auto"``.
    """

    def __init__(self, wanted: int | str) -> None:
        self.now = 1 if wanted == AUTO else int(wanted)
        self.searching = wanted == AUTO
        self._best = (1, float("inf"))
        self._seconds: list[float] = []

    def record(self, images: int, seconds: float) -> None:
        """Learn from a call with `images` images that took `seconds` per image."""
        if not self.searching or images != self.now:
            return
        self._seconds.append(seconds)
        if len(self._seconds) < _CALLS:
            return
        each, self._seconds = min(self._seconds[1:]), []
        if each > _GAIN * self._best[1]:
            self.now, self.searching = self._best[0], False
        else:
            self._best = (self.now, each)
            self.now, self.searching = (self.now * 2, True) if self.now < LARGEST else (self.now, False)

    def halve(self) -> None:
        """Halve the size, because memory did not suffice, and stop searching."""
        self.now, self.searching = max(1, self.now // 2), False
