"""What a suite needs and this machine does not have: data, weights, interpreters, packages, values of variables."""

from __future__ import annotations

from collections.abc import Iterable


class Missing(str):
    """A problem of this machine, not of the suite. It stops a run, but not ``segharness collect``.

    Like every problem it is one line that says what is missing, where, and how to get it.
    """

    __slots__ = ()


def split(problems: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the mistakes of a suite, and what this machine lacks, each once and in order.

    Example:
        >>> split(["a", Missing("b"), "a"])
        (['a'], ['b'])
    """
    unique = list(dict.fromkeys(problems))
    return [p for p in unique if not isinstance(p, Missing)], [p for p in unique if isinstance(p, Missing)]
