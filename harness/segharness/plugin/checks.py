"""Checks of options' values, for `Option(check=...)`: each returns what is wrong, as the end of a sentence, or None.

They are made when plugins are listed, and called before the first cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from segharness.errors import nearest

Check = Callable[[Any], str | None]


def one_of(*names: str) -> Check:
    """Return the check for one of some names."""

    def check(value: Any) -> str | None:
        if isinstance(value, str) and value in names:
            return None
        meant = nearest(value, names, listed=False) if isinstance(value, str) else ""
        return f"is {value!r:.60}, not {_either(names)}{meant}"

    return check


def whole_number(least: int, most: int = 2**63 - 1) -> Check:
    """Return the check for whole numbers from `least` to `most`."""
    limits = f" of at least {least}" if most == 2**63 - 1 else f" from {least} to {most}"

    def check(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return None
        return f"is {value!r:.60}, not a whole number{limits}"

    return check


def number(low: float, high: float) -> Check:
    """Return the check for numbers from `low` to `high`, both of them included."""

    def check(value: Any) -> str | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return None
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        return f"is {value!r:.60}, not a number {limits}"

    return check


def boolean(value: Any) -> str | None:
    """Check that a value is true or false."""
    return None if isinstance(value, bool) else f"is {value!r:.60}, not true or false"


def text(value: Any) -> str | None:
    """Check that a value is a text, and not empty."""
    return None if isinstance(value, str) and value else f"is {value!r:.60}, not a text"


def names(value: Any) -> str | None:
    """Check that a value is a list of texts. A name may be there twice, as ``N/A`` is in COCO's 91."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return None
    return f"is {value!r:.60}, not a list of names"


def mapping(value: Any) -> str | None:
    """Check that a value is a mapping of texts, such as dotted names of a config's settings, to anything."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return None
    return f"is {value!r:.60}, not settings with their values: {{a.b.c: 1}}"


def either(*checks: Check) -> Check:
    """Return the check for what at least one of several takes."""

    def check(value: Any) -> str | None:
        found = [one(value) for one in checks]
        if None in found:
            return None
        first, *others = [str(one) for one in found]
        if ", not " not in first:  # it is of the first kind, and wrong in itself
            return first
        return " or ".join([first, *(other.partition(", not ")[2] or other for other in others)])

    return check


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
