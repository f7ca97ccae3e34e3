"""Options of data sets and models, checked."""

from __future__ import annotations

from typing import Any

from segharness import UsageError


def checked(name: str, value: Any, least: int = 1, most: int = 1000) -> int:
    """Return an option that is a whole number from `least` to `most`.

    Raises:
        UsageError: it is not.
    """
    if type(value) is not int or not least <= value <= most:
        raise UsageError(f"option {name} is {value!r}, not a whole number from {least} to {most}")
    return value
