"""How many images a call of `predict` gets: what the suite says, less where memory is short, or what pays (``auto``)."""

from __future__ import annotations

AUTO = "auto"

LARGEST = 64
"""The largest batch that ``auto`` tries."""

_CALLS = 3
"""Calls a size is tried for; the first is left out, for it may compile."""

_GAIN = 0.95
"""A larger batch is kept while an image takes at most this share of the seconds it took before."""


class BatchSize:
    """The batch size of one model on one device.

    ``auto`` begins with 1 and doubles while that makes an image cheaper and memory allows; then it stays with the best.

    Args:
        wanted: a number from 1, or ``"auto"``.
    """

    def __init__(self, wanted: int | str) -> None:
        self.now = 1 if wanted == AUTO else int(wanted)
        self.searching = wanted == AUTO
        self._best = (1, float("inf"))
        self._seconds: list[float] = []

    def took(self, images: int, seconds: float) -> None:
        """Learn from a call of `images` images that took `seconds` an image."""
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
        """Go on with half as many images, for memory did not suffice."""
        self.now, self.searching = max(1, self.now // 2), False


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory did not suffice: Python's, or one of a framework's, which share no type."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    said = ("out of memory", "can't allocate memory", "not enough memory", "cublas_status_alloc_failed")
    return isinstance(error, RuntimeError) and any(words in text for words in said)
