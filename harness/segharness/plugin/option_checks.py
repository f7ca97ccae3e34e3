"""Checks of options' values, for `Option(check=...)`: each returns what is wrong, as the end of a sentence, or None.

Plugins make them when they are listed. They are called before the first cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from segharness.errors import nearest

Check = Callable[[Any], str | None]
"""A function of an option's value that returns what is wrong with it, or None."""


def one_of(*names: str) -> Check:
    """Return the check that a value is one of some names.

    Example:
        >>> one_of("boxes", "points")("point")
        "is 'point', not boxes or points (did you mean `points`?)"
    """

    def check(value: Any) -> str | None:
        if isinstance(value, str) and value in names:
            return None
        meant = nearest(value, names, listed=False) if isinstance(value, str) else ""
        return f"is {value!r:.60}, not {_either(names)}{meant}"

    return check


def whole_number(least: int, most: int = 2**63 - 1) -> Check:
    """Return the check that a value is a whole number from `least` to `most`; true and false are none.

    Example:
        >>> whole_number(1)(0)
        'is 0, not a whole number of at least 1'
    """
    limits = f" of at least {least}" if most == 2**63 - 1 else f" from {least} to {most}"

    def check(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return None
        return f"is {value!r:.60}, not a whole number{limits}"

    return check


def number(low: float, high: float) -> Check:
    """Return the check that a value is a number from `low` to `high`, both included; `high` may be infinite.

    Example:
        >>> number(0, 1)(0.5) is None
        True
    """

    def check(value: Any) -> str | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return None
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        return f"is {value!r:.60}, not a number {limits}"

    return check


def boolean(value: Any) -> str | None:
    """Check that a value is true or false.

    Example:
        >>> boolean("yes")
        "is 'yes', not true or false"
    """
    return None if isinstance(value, bool) else f"is {value!r:.60}, not true or false"


def text(value: Any) -> str | None:
    """Check that a value is a text that is not empty.

    Example:
        >>> text("")
        "is '', not a text"
    """
    return None if isinstance(value, str) and value else f"is {value!r:.60}, not a text"


def names(value: Any) -> str | None:
    """Check that a value is a list of texts. A name may occur twice, as ``N/A`` does among COCO's 91.

    Example:
        >>> names(["cat", 3])
        "is ['cat', 3], not a list of names"
    """
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return None
    return f"is {value!r:.60}, not a list of names"


def mapping(value: Any) -> str | None:
    """Check that a value is a mapping from texts, such as the dotted names of a config's settings, to anything.

    Example:
        >>> mapping({"model.score": 0.1}) is None
        True
    """
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return None
    return f"is {value!r:.60}, not settings with their values: {{a.b.c: 1}}"


def either(*checks: Check) -> Check:
    """Return the check that at least one of several checks accepts a value.

    Example:
        >>> either(boolean, whole_number(0))("two")
        "is 'two', not true or false or a whole number of at least 0"
    """

    def check(value: Any) -> str | None:
        problems = [accepts(value) for accepts in checks]
        if None in problems:
            return None
        first, *further = [str(problem) for problem in problems]
        if ", not " not in first:  # the value is of the first kind, and wrong in itself
            return first
        return " or ".join([first, *(problem.partition(", not ")[2] or problem for problem in further)])

    return check


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
