"""Prepares docstrings for the documentation's site: examples become code, and ``a, b: text`` describes a and b."""

from __future__ import annotations

import re
from typing import Any

import griffe

_SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+): (.+)$", re.MULTILINE)


def prepared(text: str) -> str:
    """Return a docstring as Google's style writes it.

    Example:
        >>> print(prepared("Args:\\n    a, b: numbers.\\n\\nExample:\\n    >>> 1\\n    1"))
        Args:
            a: numbers.
            b: numbers.
        <BLANKLINE>
        Examples:
            >>> 1
            1
    """
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return _SEVERAL.sub(lambda m: "\n".join(f"{m[1]}{name}: {m[3]}" for name in m[2].split(", ")), text)


class PreparedDocstrings(griffe.Extension):
    """Prepares every docstring that griffe reads."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Replace the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = prepared(obj.docstring.value)
