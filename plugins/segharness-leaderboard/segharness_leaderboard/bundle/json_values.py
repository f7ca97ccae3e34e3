"""Checks of JSON values that may come from a stranger: each says in words what is wrong."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

DIGEST = re.compile(r"[0-9a-f]{64}")
"""A SHA-256, as hex."""

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""What a terminal obeys, what changes the direction of letters, and what is not seen."""


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
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


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
    if _HIDDEN.search(value):
        return "has a character that is not shown"
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
