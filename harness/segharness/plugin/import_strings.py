"""References to code: an import string ``"package.module:function"``, or the function itself."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, TypeAlias

Reference: TypeAlias = str | Callable[..., Any]
"""An import string ``"package.module:function"``, or the function itself."""


def load(reference: Reference) -> Callable[..., Any]:
    """Return the function that a reference names, importing its module; a function is returned as it is.

    Raises:
        ImportError: there is no such module.
        AttributeError: the module has no such attribute.

    Example:
        >>> load("posixpath:join")("a", "b")
        'a/b'
    """
    if callable(reference):
        return reference
    module, _, attribute = reference.partition(":")
    value = importlib.import_module(module)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value  # type: ignore[return-value]


def is_reference(reference: Any) -> bool:
    """Return whether a value has the form of a reference; the module and function need not exist."""
    return callable(reference) or (isinstance(reference, str) and re.fullmatch(r"[\w.]+:[\w.]+", reference) is not None)
