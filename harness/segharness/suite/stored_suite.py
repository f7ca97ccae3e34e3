"""Reads a suite back from a manifest, which may come from anybody: every field is checked again."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from segharness.errors import StoreError
from segharness.suite.suite import AS_PUBLISHED, ORIGINAL, ORIGINAL_IF_POSSIBLE, OVERALL, StoredReference, Suite

MOST_ENTRIES = 100_000
"""A suite has no longer list."""

MOST_CELLS = 50_000
"""A run has no more models x data sets x conditions."""

_MOST = {"evaluations": 50, "splits": 200, "groups": 200, "shifts": 200, "sets of conditions": 500, "views": 100}
"""How many of each a suite has at most: tables are made of their products."""


def stored_suite(manifest: Mapping[str, Any], file: object) -> Suite:
    """Return the suite of a manifest.

    Args:
        manifest: of a run folder or of a results table.
        file: where it stands, for messages.

    Raises:
        StoreError: it is not one that segharness writes. The message names the first wrong part.
    """
    try:
        json.dumps(manifest, ensure_ascii=False).encode()
        suite = Suite.from_json(manifest["suite"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        text = f"lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0][:100]
        raise StoreError(f"{file}: the suite in its manifest is not one: {text}") from error
    problem = next(_wrong_types(suite, "suite"), None) or next(_contradictions(suite), None)
    if problem is not None:
        raise StoreError(f"{file}: the suite in its manifest is not one: {problem}")
    return suite


def _wrong_types(value: Any, place: str) -> Iterator[str]:
    """Yield the fields of a dataclass, and of those in it, whose values are not of their types."""
    hints = _hints(type(value))
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        where = f"{place}.{field.name}"
        if not _conforms(item, hints[field.name]):
            yield f"`{where}` is {item!r:.60}"
            continue
        members = item if isinstance(item, tuple) else (item,)
        for number, member in enumerate(members):
            if dataclasses.is_dataclass(member):
                yield from _wrong_types(member, f"{where}[{number}]" if isinstance(item, tuple) else where)


def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _conforms(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type, as far as the fields of suites go."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_conforms(value, argument) for argument in arguments)
    if origin is tuple:
        return (
            isinstance(value, tuple)
            and len(value) <= MOST_ENTRIES
            and all(_conforms(item, arguments[0]) for item in value)
        )
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            isinstance(key, str) and _conforms(item, arguments[1]) for key, item in value.items()
        )
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint if hint is not None else type(None))


def _contradictions(suite: Suite) -> Iterator[str]:
    """Yield what no suite file can say: ids of another form, twice, or of nothing."""
    models, datasets = [model.id for model in suite.models], [dataset.id for dataset in suite.datasets]
    conditions = [condition.name for condition in suite.conditions]
    evaluations = [entry.id for entry in suite.scoring.evaluations]
    for kind, ids in (
        ("model", models),
        ("data set", datasets),
        ("condition", conditions),
        ("evaluation", evaluations),
    ):
        yield from _wrong_ids(kind, ids)
    if not is_id(suite.name):
        yield f"its name is {suite.name!r:.60}"
    names = [split.name for split in suite.scoring.splits]
    if OVERALL in names or len(set(names)) < len(names):
        yield "two splits have one name"
    counts: dict[str, Sequence[Any]] = {
        "evaluations": suite.scoring.evaluations,
        "splits": suite.scoring.splits,
        "groups": suite.groups,
        "shifts": suite.shifts,
        "sets of conditions": suite.condition_groups,
        "views": suite.report,
    }
    for kind, entries in counts.items():
        if len(entries) > _MOST[kind]:
            yield f"it has {len(entries)} {kind}, more than {_MOST[kind]}"
    if (cells := len(models) * len(datasets) * len(conditions)) > MOST_CELLS:
        yield f"it has {cells} cells, more than {MOST_CELLS}"
    for model in suite.models:
        if not set(model.resolutions) <= {AS_PUBLISHED, ORIGINAL}:
            yield f"the model `{model.id}` has the resolutions {model.resolutions!r:.60}"
    for group in suite.groups:
        yield from _strangers(f"the group {group.name!r:.60}", group.models, models)
        if isinstance(group.reference, str) and group.reference not in group.models:
            yield f"the reference {group.reference!r:.60} is not one of the models of its group"
        if isinstance(group.reference, StoredReference) and group.reference.model is not None:
            yield from _wrong_ids("reference", [group.reference.model])
    for condition_group in suite.condition_groups:
        yield from _strangers(f"the set {condition_group.name!r:.60}", condition_group.conditions, conditions)
    for shift in suite.shifts:
        yield from _strangers(f"the shift {shift.name!r:.60}", (shift.clean, *shift.datasets), datasets)
    for entry in suite.scoring.evaluations:
        yield from _strangers(f"the evaluation `{entry.id}`", entry.datasets, datasets)
    for dataset in suite.datasets:
        if dataset.resolution not in (AS_PUBLISHED, ORIGINAL, ORIGINAL_IF_POSSIBLE):
            yield f"the data set `{dataset.id}` has the resolution {dataset.resolution!r:.60}"
        if dataset.limit is not None and dataset.limit < 1:
            yield f"the data set `{dataset.id}` is limited to {dataset.limit} images"
        if dataset.sample is not None and dataset.sample < 1:
            yield f"of the data set `{dataset.id}` a sample of {dataset.sample} images is drawn"


def is_id(text: str) -> bool:
    """Return whether a text has the form of ids, which are names of folders too.

    Example:
        >>> is_id("fog-3"), is_id("../fog"), is_id("..")
        (True, False, False)
    """
    return re.fullmatch(r"[a-z0-9._-]{1,200}", text) is not None and text.strip(".") != ""


def _wrong_ids(kind: str, ids: Sequence[str]) -> Iterator[str]:
    for id in ids:
        if not is_id(id):
            yield f"the {kind} id {id!r:.60} is not one of lower-case letters, digits, `.`, `_` and `-`"
    if len(set(ids)) < len(ids):
        yield f"two {kind}s have one id"


def _strangers(owner: str, ids: Collection[str], known: Collection[str]) -> Iterator[str]:
    for id in ids:
        if id not in known:
            yield f"{owner} has {id!r:.60}, which the suite does not"
