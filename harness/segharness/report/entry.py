"""One number of a table: its interval, the reason if it is missing, and how many digits to print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_DECIMALS = 1
"""Decimals of numbers in percent, unless a report asks for more."""


@dataclass(frozen=True)
class TableEntry:
    """A number in its column's unit (percent unless the column says otherwise), or None with the reason.

    Attributes:
        number, reason: the number, or None and why there is none. A number with a reason has no interval.
        low, high: its interval, in the same unit; None without one.
    """

    number: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], scale: float) -> TableEntry:
        """Return the entry of a row of results; times `scale`, its numbers are in the column's unit."""

        def scaled(value: float | None) -> float | None:
            return None if value is None else scale * value

        return cls(scaled(row["value"]), row["reason"], scaled(row["ci_low"]), scaled(row["ci_high"]))

    def decimals(self, digits: int | None) -> int:
        """Return how many decimals to print: `digits`, or if it is None as many as the interval supports."""
        if digits is not None:
            return digits
        if self.reason is not None:
            return 0  # it should have an interval and has none
        if self.low is None or self.high is None or self.high <= self.low:
            return MAX_DECIMALS
        return min(MAX_DECIMALS, max(0, math.ceil(-math.log10((self.high - self.low) / 2))))

    def text(self, digits: int | None = None, brackets: bool = False) -> str:
        """Return what tables print; with `brackets` the interval follows, if there is one.

        Example:
            >>> TableEntry(16.64, None, 16.1, 17.2).text(brackets=True)
            '16.6 [16.1, 17.2]'
        """
        if self.number is None:
            return "-"
        decimals = self.decimals(digits)
        text = _rounded(self.number, decimals)
        if brackets and self.low is not None and self.high is not None and self.low < self.high:
            text += f" [{_rounded(self.low, decimals)}, {_rounded(self.high, decimals)}]"
        return text


def _rounded(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def mean(entries: Sequence[TableEntry]) -> TableEntry:
    """Return the mean of entries over severities, or the first entry that has no number.

    Its interval is the mean of their intervals, which is at least as wide as the interval of the mean.
    """
    for entry in entries:
        if entry.number is None:
            return entry
    if len(entries) == 1:
        return entries[0]

    def average(values: Sequence[float | None]) -> float | None:
        numbers = [value for value in values if value is not None]
        return math.fsum(numbers) / len(numbers) if len(numbers) == len(entries) else None

    return TableEntry(
        average([e.number for e in entries]),
        None,
        average([e.low for e in entries]),
        average([e.high for e in entries]),
    )
