"""Gives a model up whose every call fails: the rest of a run would only say the same again."""

from __future__ import annotations

import threading

from segharness.errors import CellError, coded


class ModelGivenUpError(CellError):
    """A model failed on every image that it got, and gets no more."""


class FailureWatch:
    """Counts the images on which a model failed, until it answers one. Any thread may call it.

    Args:
        most: so many failures without an answer are enough; 0 if no number is.
    """

    def __init__(self, most: int) -> None:
        self._most, self._failures, self._has_answered, self._first = most, 0, False, ""
        self._lock = threading.Lock()

    def answered(self) -> None:
        """Note that the model answered an image as it should: it is never given up any more."""
        self._has_answered = True

    def failed(self, error: str) -> None:
        """Note that the model raised on an image, or answered what is no answer."""
        with self._lock:
            self._first = self._first or error
            self._failures += 1

    def check(self) -> None:
        """Raise ModelGivenUpError if the model is to be given up."""
        if self._most and self._failures >= self._most and not self._has_answered:
            raise ModelGivenUpError(
                coded(
                    "T12",
                    f"failed on each of its first {self._failures} images and is given up "
                    f"(`--give-up-after 0` goes on); the first: {self._first}",
                )
            )
