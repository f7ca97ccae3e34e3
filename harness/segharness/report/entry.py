"""One number of a table: its interval, the reason if it is missing, and how many digits to print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segharness.plugin.metric_specs import FRACTION
from segharness.report.units import scale_of, usual_decimals


@dataclass(frozen=True)
class TableEntry:
    """A number as tables print it (a fraction in percent), or None with the reason.

    Attributes:
        number, reason: the number, or None and why there is none. A number with a reason has no interval.
        low, high: its interval; None without one.
        unit: of its metric.
        ranked: whether it can be the best of its column.
    """

    number: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    unit: str = FRACTION
    ranked: bool = True

    @classmethod
    def of(cls, row: Mapping[str, Any], unit: str) -> TableEntry:
        """Return the entry of a row of results, whose metric has a unit."""

        def scaled(value: float | None) -> float | None:
            return None if value is None else scale_of(unit) * value

        return cls(scaled(row["value"]), row["reason"], scaled(row["ci_low"]), scaled(row["ci_high"]), unit)

    def decimals(self, digits: int | None) -> int:
        """Return how many decimals to print: `digits`, or if it is None as many as the interval supports."""
        if digits is not None:
            return digits
        most = usual_decimals(self.unit, self.number or 0.0)
        if self.low is None or self.high is None or self.high <= self.low:
            lacks_interval = self.reason is not None and self.unit == FRACTION
            return 0 if lacks_interval else most
        return min(most, max(0, math.ceil(-math.log10((self.high - self.low) / 2))))

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
        entries[0].unit,
    )
