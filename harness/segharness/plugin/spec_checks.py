"""Checks that every spec makes of itself: the form of its name, of its references to code and of its lists."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from segharness.errors import PluginError
from segharness.plugin.import_strings import is_reference
from segharness.plugin.options import Option

NAME = re.compile(r"[a-z0-9._-]+(/[a-z0-9._-]+)*")
"""The form of all names but those of models."""

MODEL_NAME = re.compile(r"[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*")
"""The form of models' names, which are those that their frameworks give them."""


_PLAIN: dict[Any, Any] = {"str": str, "bool": bool, "str | None": (str, type(None))}
"""The types of fields that every spec checks of itself, by their annotations."""


def slug(name: str) -> str:
    """Return the id of a name in paths and node ids.

    Example:
        >>> slug("torchvision/MaskRCNN+FPN")
        'torchvision-maskrcnn-fpn'
    """
    return re.sub(r"[/+]", "-", name).lower()


def check_spec(spec: Any, *references: Any, is_model: bool = False) -> None:
    """Raise PluginError if a spec's name, one of its references to code, or one of its lists has the wrong form.

    Args:
        spec: any spec with a `name`.
        references: its functions and import strings.
        is_model: whether it is a `ModelSpec`, whose name has another form and whose `categories` may be None.
    """
    kind = type(spec).__name__
    form = MODEL_NAME if is_model else NAME
    if not isinstance(spec.name, str) or not form.fullmatch(spec.name):
        raise PluginError(f"{kind} name {spec.name!r} must match {form.pattern}")
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if field.type in _PLAIN and not isinstance(value, _PLAIN[field.type]):
            raise PluginError(f"{kind} `{spec.name}`: {field.name} is {value!r:.60}, not a {field.type}")
    for reference in references:
        if not is_reference(reference):
            raise PluginError(
                f"{kind} `{spec.name}`: {reference!r} is neither a function nor 'package.module:function'"
            )
    for name in ("tags", "corruptions", "categories"):
        values = getattr(spec, name, ())
        if name == "categories" and values is None and is_model:
            continue  # its categories are known only once it is loaded
        if not isinstance(values, (tuple, list)) or not all(isinstance(value, str) for value in values):
            raise PluginError(f"{kind} `{spec.name}`: {name} must be a tuple of strings, not {values!r:.60}")
    if not isinstance(getattr(spec, "severities", ()), (tuple, list)):
        raise PluginError(f"{kind} `{spec.name}`: severities must be a tuple of whole numbers")
    options = getattr(spec, "options", {})
    if not isinstance(options, Mapping) or not all(isinstance(option, Option) for option in options.values()):
        raise PluginError(f"{kind} `{spec.name}`: options must map names to `Option`s")


def is_packaged_file(reference: Any) -> bool:
    """Return whether a reference names a file inside a top-level package: ``"package:path/in/it"``."""
    if not isinstance(reference, str) or not re.fullmatch(r"[A-Za-z_]\w*:[^:]+", reference):
        return False
    path = PurePosixPath(reference.partition(":")[2])
    return not path.is_absolute() and ".." not in path.parts


def is_foreign_reference(reference: Any) -> bool:
    """Return whether a reference names a function in such a file: ``"package:path/in/it.py:function"``."""
    if not isinstance(reference, str):
        return False
    file, _, function = reference.rpartition(":")
    return is_packaged_file(file) and file.endswith(".py") and function.isidentifier()
