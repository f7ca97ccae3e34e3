"""Gives a model up whose every call fails: the rest of a run would only say the same again."""

from __future__ import annotations

import threading

from segharness.errors import CellError, coded

_CALLS = 3
"""A single call of many images may fail for one of them."""


class ModelGivenUpError(CellError):
    """A model failed on every image that it got, and gets no more."""


class FailureWatch:
    """Counts the images on which a model failed, until it answers one. Any thread may call it.

    Args:
        most: failures on so many images, in `_CALLS` calls, without an answer are enough; 0 if no number is.
    """

    def __init__(self, most: int) -> None:
        self._most, self._failures, self._has_answered, self._first = most, 0, False, ""
        self._calls = 0
        self._lock = threading.Lock()

    def answered(self) -> None:
        """Note that the model answered an image as it should: it is never given up any more."""
        self._has_answered = True

    def failed(self, error: str, images: int = 1) -> None:
        """Note that a call with so many images raised, or that an answer is none."""
        with self._lock:
            self._first = self._first or error
            self._failures += images
            self._calls += 1

    def check(self) -> None:
        """Raise ModelGivenUpError if the model is to be given up."""
        is_enough = self._failures >= self._most and self._calls >= min(self._most, _CALLS)
        if self._most and is_enough and not self._has_answered:
            raise ModelGivenUpError(
                coded(
                    "T12",
                    f"failed on each of its first {self._failures} images and is given up "
                    f"(`--give-up-after 0` goes on); the first: {self._first}",
                )
            )
