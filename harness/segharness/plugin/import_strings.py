"""Code that is named: an import string ``"package.module:function"``, or the function itself."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, TypeAlias

Reference: TypeAlias = str | Callable[..., Any]


def load(reference: Reference) -> Callable[..., Any]:
    """Import what ``"package.module:function"`` names; a function is returned as it is."""
    if callable(reference):
        return reference
    module, _, attribute = reference.partition(":")
    found = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found  # type: ignore[return-value]


def is_reference(reference: Any) -> bool:
    return callable(reference) or (isinstance(reference, str) and re.fullmatch(r"[\w.]+:[\w.]+", reference) is not None)
