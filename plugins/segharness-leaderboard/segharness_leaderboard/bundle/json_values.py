"""Checks of JSON values that may come from a stranger: each says in words what is wrong."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

DIGEST = re.compile(r"[0-9a-f]{64}")
"""A SHA-256, as hex."""

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""The categories of characters that a terminal obeys, that change the direction of letters, and that are not seen."""

_BLANK = "\u115f\u1160\u3164\uffa0\u2800\u034f"
"""Letters and marks that are not seen, either."""

_STACKED = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe2f\U000e0100-\U000e01ef]{4}")
"""Marks over one letter, so many that they cover its neighbours."""

DEEPEST = 50
"""No JSON value is nested deeper."""


def strict_json(data: bytes) -> Any:
    """Return the value of a JSON text, without NaN and infinite numbers, and without a key twice.

    Raises:
        ValueError: it is none.

    Example:
        >>> strict_json(b'{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ...
        ValueError: the key 'a' stands twice in an object
    """

    def refused(text: str) -> Any:
        raise ValueError(f"{text} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {key!r:.60} stands twice in an object")
            found[key] = value
        return found

    def finite(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else refused(text)

    try:
        value = json.loads(data, parse_constant=refused, parse_float=finite, object_pairs_hook=unique)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _depth(value) > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written
    return value


def _depth(value: Any) -> int:
    """Return how deep a value is nested."""
    depth, level = 0, [value]
    while level:
        depth += 1
        members = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, (dict, list)))
        level = [member for of_one in members for member in of_one]
    return depth


def text_problem(value: Any, most: int = 200, *, empty: bool = False) -> str | None:
    """Return what is wrong with a text, or None.

    Example:
        >>> text_problem("a name"), text_problem("two\\nlines")
        (None, 'has a character that is not shown')
    """
    if not isinstance(value, str):
        return f"is {value!r:.40}, not a text"
    if not value.strip() and not empty:
        return "is empty"
    if len(value) > most:
        return f"has {len(value)} characters, more than {most}"
    if any(unicodedata.category(character) in _HIDDEN or character in _BLANK for character in value):
        return "has a character that is not shown"
    if _STACKED.search(unicodedata.normalize("NFD", value)):
        return "has a character with many marks"
    return None


def url_problem(value: Any) -> str | None:
    """Return what is wrong with the address of something that may be fetched, or None.

    Example:
        >>> url_problem("http://a.example/x.whl")
        'is not an https address'
    """
    if problem := text_problem(value, 2000):
        return problem
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme != "https" or not parts.hostname:
        return "is not an https address"
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        return "has a user name or a password in it"
    if re.search(r"[\s<>\"'`\\]", value) or not value.isascii():
        return "has a character that addresses do not have"
    return None


def date_problem(value: Any) -> str | None:
    """Return what is wrong with a date, or None.

    Example:
        >>> date_problem("2027-02-30")
        'is not a date, YYYY-MM-DD'
    """
    try:
        if not isinstance(value, str) or datetime.date.fromisoformat(value).isoformat() != value:
            raise ValueError
    except ValueError:
        return "is not a date, YYYY-MM-DD"
    return None


def keys_problems(value: Any, keys: Mapping[str, type[Any] | tuple[type[Any], ...]]) -> Iterator[tuple[str, str]]:
    """Yield the keys that an object lacks, has too much or has with a value of another type, and what is wrong.

    Example:
        >>> list(keys_problems({"a": 1, "b": 2}, {"a": str}))
        [('b', 'is not a key that there is'), ('a', 'is 1')]
    """
    if not isinstance(value, Mapping):
        yield "", f"is {value!r:.40}, not an object"
        return
    for key in value:
        if key not in keys:
            yield f"{key:.60}", "is not a key that there is"
    for key, kind in keys.items():
        if key not in value:
            yield key, "is missing"
        elif not isinstance(value[key], kind) or (isinstance(value[key], bool) and kind is int):
            yield key, f"is {value[key]!r:.40}"
