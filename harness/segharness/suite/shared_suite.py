"""A suite as others may read it: in a manifest, which is shared with the results.

It holds no value of a variable, which may be a secret, and no folder of this machine. What it leaves out decides no
number: identities and protocols hold contents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from segharness.suite.suite import DatasetEntry, ModelEntry, StoredReference, Suite
from segharness.texts import without_folders


def shared_suite(suite: Suite) -> dict[str, Any]:
    """Return a suite as JSON values, which `Suite.from_json` reads, without what only this machine may know."""
    return dataclasses.replace(
        suite,
        path=shared_name(suite.path),
        description=without_folders(suite.description),
        models=tuple(_shared_model(entry) for entry in suite.models),
        datasets=tuple(
            dataclasses.replace(entry, options=_shared_options(entry, "options", entry.options), as_written={})
            for entry in suite.datasets
        ),
        groups=tuple(
            dataclasses.replace(group, reference=_shared_reference(group.reference)) for group in suite.groups
        ),
    ).to_json()


def hider(suite: Suite) -> Callable[[str], str]:
    """Return a function that hides in a text what only this machine may know: folders, and values of variables."""
    values: dict[str, str] = {}
    entries: tuple[ModelEntry | DatasetEntry, ...] = (*suite.models, *suite.datasets)
    for entry in entries:
        for key, written in entry.as_written.items():
            values |= dict(_pairs(_value(entry, key), written))
    longest_first = sorted((value for value in values if len(value) > 3), key=len, reverse=True)

    def hide(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, values[value])
        return without_folders(text)

    return hide


def shared_name(path: str) -> str:
    """Return a path as others may read it: its name, unless it lies below the working directory.

    Example:
        >>> shared_name("/home/ada/suites/fog.yaml"), shared_name("suites/fog.yaml")
        ('fog.yaml', 'suites/fog.yaml')
    """
    pure = PurePath(path)
    outside = pure.is_absolute() or ".." in pure.parts or path.startswith("~") or "://" in path
    return pure.name if outside else path


def _shared_model(entry: ModelEntry) -> ModelEntry:
    return dataclasses.replace(
        entry,
        model=_shared(entry.model, entry.as_written.get("model")),
        weights=_shared(entry.weights, entry.as_written.get("weights")),
        python=_shared(entry.python, entry.as_written.get("python")),
        foreign=_shared(entry.foreign, None),
        options=_shared_options(entry, "options", entry.options),
        options_for={
            dataset: _shared_options(entry, f"options_for.{dataset}", options)
            for dataset, options in entry.options_for.items()
        },
        as_written={},
    )


def _shared_options(entry: ModelEntry | DatasetEntry, prefix: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _shared(value, entry.as_written.get(f"{prefix}.{key}")) for key, value in options.items()}


def _shared_reference(reference: str | StoredReference | None) -> str | StoredReference | None:
    if not isinstance(reference, StoredReference):
        return reference
    return dataclasses.replace(reference, results=PurePath(reference.results).name)


def _shared(value: Any, written: Any) -> Any:
    """Return a value as others may read it: as it is written, if a variable is in it; the name, if it is a path."""
    if written is not None:
        return written
    if isinstance(value, Mapping):
        return {key: _shared(item, None) for key, item in value.items()}
    if isinstance(value, list):
        return [_shared(item, None) for item in value]
    if isinstance(value, str) and (Path(value).is_absolute() or "://" in value):
        return without_folders(value) if "://" in value else PurePath(value).name
    return value


def _value(entry: ModelEntry | DatasetEntry, key: str) -> Any:
    """Return the value that a key of `as_written` stands for."""
    first, _, rest = key.partition(".")
    if first == "options":
        return entry.options.get(rest)
    if first == "options_for" and isinstance(entry, ModelEntry):
        return next(
            (
                options[rest.removeprefix(f"{dataset}.")]
                for dataset, options in entry.options_for.items()
                if rest.removeprefix(f"{dataset}.") in options
            ),
            None,
        )
    return getattr(entry, first)


def _pairs(value: Any, written: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts within a value that are written in another way, and how."""
    if isinstance(value, Mapping) and isinstance(written, Mapping):
        for key in value.keys() & written.keys():
            yield from _pairs(value[key], written[key])
    elif isinstance(value, list) and isinstance(written, list):
        for item, item_written in zip(value, written, strict=False):
            yield from _pairs(item, item_written)
    elif isinstance(value, str) and isinstance(written, str) and value != written:
        yield value, written
