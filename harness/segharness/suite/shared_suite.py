"""A suite as others may read it: in a manifest, which is shared with the results.

It holds no value of a variable, which may be a secret, and no folder of this machine. What it leaves out decides no
number: identities and protocols hold contents.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from segharness.redaction import without_credentials, without_folders
from segharness.suite.suite import DatasetEntry, ModelEntry, StoredReference, Suite


def shared_suite(suite: Suite) -> dict[str, Any]:
    """Return a suite as JSON values, which `Suite.from_json` reads, without what only this machine may know."""
    return dataclasses.replace(
        suite,
        path=shared_name(suite.path),
        description=without_folders(suite.description),
        models=tuple(
            dataclasses.replace(_shared_model(entry), tags=_shared_tags(entry.tags, suite)) for entry in suite.models
        ),
        datasets=tuple(
            dataclasses.replace(
                entry,
                options=_shared_options(entry, "options", entry.options),
                tags=_shared_tags(entry.tags, suite),
            )
            for entry in suite.datasets
        ),
        groups=tuple(
            dataclasses.replace(group, reference=_shared_reference(group.reference)) for group in suite.groups
        ),
    ).to_json()


def hider(suite: Suite) -> Callable[[str], str]:
    """Return a function that hides in a text what only this machine may know: folders, and values of variables.

    A value of up to three characters, or that is a number, is not hidden: it would hide half of the text.
    """
    values = [value for value in suite.private if len(value) > 3 and not _is_number(value)]
    longest_first = sorted(values, key=len, reverse=True)

    def hide(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, suite.private[value])
        return without_folders(text)

    return hide


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def shared_name(path: str) -> str:
    """Return a path as others may read it: its name, unless it lies below the working directory.

    Example:
        >>> shared_name("/home/ada/suites/fog.yaml"), shared_name("suites/fog.yaml")
        ('fog.yaml', 'suites/fog.yaml')
    """
    return PurePath(path).name if names_place(path) or ".." in PurePath(path).parts else path


def _shared_model(entry: ModelEntry) -> ModelEntry:
    return dataclasses.replace(
        entry,
        model=_shared(entry.model, entry.as_written.get("model")),
        weights=_shared(entry.weights, entry.as_written.get("weights")),
        python=_shared(entry.python, entry.as_written.get("python")),
        foreign=_shared(entry.foreign, None),
        facts={key: _shared(value, entry.as_written.get(f"facts.{key}")) for key, value in entry.facts.items()},
        options=_shared_options(entry, "options", entry.options),
        options_for={
            dataset: _shared_options(entry, f"options_for.{dataset}", options)
            for dataset, options in entry.options_for.items()
        },
    )


def _shared_tags(tags: tuple[str, ...], suite: Suite) -> tuple[str, ...]:
    """Return tags with ``${NAME}`` for those that are the value of a variable."""
    return tuple(suite.private.get(tag, tag) for tag in tags)


def _shared_options(entry: ModelEntry | DatasetEntry, prefix: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _shared(value, entry.as_written.get(f"{prefix}.{key}")) for key, value in options.items()}


def _shared_reference(reference: str | StoredReference | None) -> str | StoredReference | None:
    if not isinstance(reference, StoredReference):
        return reference
    return dataclasses.replace(reference, results=PurePath(reference.results).name)


def _shared(value: Any, written: Any) -> Any:
    """Return a value as others may read it: as it is written, if a variable is in it; the name, if it is a path."""
    if isinstance(value, Mapping):
        parts = written if isinstance(written, Mapping) else {}
        return {key: _shared(item, parts.get(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = written if isinstance(written, list) and len(written) == len(value) else [None] * len(value)
        return [_shared(item, part) for item, part in zip(value, items, strict=True)]
    if isinstance(written, str) and written != value:
        return written
    if not isinstance(value, str) or not names_place(value):
        return value
    return without_credentials(value) if "://" in value else shared_name(value)


def names_place(value: Any) -> bool:
    """Return whether a value is, or holds, a text that names a place on this machine: an absolute path, one with ``..``.

    Example:
        >>> names_place({"a": ["/home/ada/x"]}), names_place("../x"), names_place("either/or")
        (True, True, False)
    """
    if isinstance(value, Mapping):
        return any(names_place(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(names_place(item) for item in value)
    if not isinstance(value, str):
        return False
    parts = PurePath(value).parts
    return value.startswith(("/", "~")) or (len(parts) > 1 and ".." in parts) or "://" in value
