"""How numbers are printed in their unit: fractions in percent, everything else as it is stored."""

from __future__ import annotations

import math

from segharness.plugin.metric_specs import COUNT, FRACTION, PER_SECOND

_SIGNIFICANT = 3
"""The digits that are printed of a number below 1 that is no fraction."""
_MAX_DECIMALS = 9


def scale_of(unit: str) -> float:
    """Return the factor between a stored value and the printed number."""
    return 100.0 if unit == FRACTION else 1.0


def unit_text(unit: str) -> str:
    """Return a unit as headings name it.

    Example:
        >>> unit_text("fraction"), unit_text("px")
        ('percent', 'px')
    """
    return "percent" if unit == FRACTION else unit


def with_unit(heading: str, unit: str) -> str:
    """Return the heading of a column whose unit the title does not have.

    Example:
        >>> with_unit("offset", "px"), with_unit("fps", "per second")
        ('offset [px]', 'fps')
    """
    return heading if unit in (FRACTION, COUNT, PER_SECOND) else f"{heading} [{unit}]"


def usual_decimals(unit: str, number: float) -> int:
    """Return how many decimals a printed number has without an interval: 1, or more for a small one with a unit.

    Example:
        >>> usual_decimals("fraction", 0.04), usual_decimals("seconds", 0.0123), usual_decimals("count", 12.0)
        (1, 4, 0)
    """
    if unit == COUNT and number == int(number):
        return 0
    if unit == FRACTION or number == 0 or abs(number) >= 1:
        return 1
    return min(_MAX_DECIMALS, _SIGNIFICANT - 1 - math.floor(math.log10(abs(number))))


def number_text(unit: str, value: float, *, signed: bool = False) -> str:
    """Return a stored value as text, without its unit.

    Example:
        >>> number_text("fraction", 0.1234), number_text("px", 0.0456, signed=True)
        ('12.3', '+0.0456')
    """
    number = scale_of(unit) * value
    return f"{number:{'+' if signed else ''}.{usual_decimals(unit, number)}f}"
