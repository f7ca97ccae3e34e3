"""One number of a table: its interval, the reason why it is missing, and how many of its digits mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_DECIMALS = 1
"""Of numbers in percent, unless more are asked for."""


@dataclass(frozen=True)
class TableEntry:
    """A number in its column's unit (percent, where the column says no other), or None with the reason.

    Attributes:
        number, reason: the number, or why there is none.
        low, high: its interval, in the same unit; None without one.
    """

    number: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], scale: float) -> TableEntry:
        """Return the entry of a row of results; a fraction times `scale` is in the column's unit."""

        def scaled(value: float | None) -> float | None:
            return None if value is None else scale * value

        return cls(scaled(row["value"]), row["reason"], scaled(row["ci_low"]), scaled(row["ci_high"]))

    def decimals(self, asked: int | None) -> int:
        """Return how many decimals to print: those asked for, or no more than the interval supports."""
        if asked is not None:
            return asked
        if self.reason is not None:
            return 0  # an interval is due and there is none
        if self.low is None or self.high is None or self.high <= self.low:
            return MOST_DECIMALS
        return min(MOST_DECIMALS, max(0, math.ceil(-math.log10((self.high - self.low) / 2))))

    def text(self, asked: int | None = None, brackets: bool = False) -> str:
        """Return what tables print; in `brackets` the interval follows, where there is one."""
        if self.number is None:
            return "-"
        places = self.decimals(asked)
        found = _rounded(self.number, places)
        if brackets and self.low is not None and self.high is not None and self.low < self.high:
            found += f" [{_rounded(self.low, places)}, {_rounded(self.high, places)}]"
        return found


def _rounded(number: float, places: int) -> str:
    text = f"{number:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def mean(entries: Sequence[TableEntry]) -> TableEntry:
    """Return the mean over severities, missing if any is; its interval is the mean of theirs, which is no narrower."""
    for entry in entries:
        if entry.number is None:
            return entry
    if len(entries) == 1:
        return entries[0]

    def over(values: Sequence[float | None]) -> float | None:
        found = [value for value in values if value is not None]
        return math.fsum(found) / len(found) if len(found) == len(entries) else None

    return TableEntry(
        over([e.number for e in entries]), None, over([e.low for e in entries]), over([e.high for e in entries])
    )
