"""Checks a tree of nodes against `segharness.suite.schema`; every mistake becomes one line with its place.

A small interpreter of JSON Schema's types, properties and alternatives rather than a validation library: those report
paths and "is not valid under any of the given schemas", where a suite's author needs the line and the word that was meant.
"""

from __future__ import annotations

import re
from typing import Any

from segharness.errors import nearest
from segharness.suite.source import Node

_NAMES = {"string": "a string", "integer": "a whole number", "array": "a list", "object": "a mapping"}


def check(node: Node, schema: dict[str, Any], problems: list[str], what: str = "the suite") -> None:
    """Append every violation of `schema` in `node` to `problems`; `what` is how messages call the node."""
    if "anyOf" in schema:
        _alternatives(node, schema["anyOf"], problems, what)
    elif "const" in schema:
        if node.value != schema["const"] or isinstance(node.value, bool):
            problems.append(
                f"{node.mark}: {what} is {node.plain()!r}; this segharness reads version {schema['const']}"
                " (a newer file needs a newer segharness: pip install -U segharness)"
            )
    elif not _is(node, schema["type"]):
        problems.append(f"{node.mark}: {what} must be {_NAMES[schema['type']]}, not {_shown(node)}")
    elif schema["type"] == "object":
        _mapping(node, schema, problems)
    elif schema["type"] == "array":
        for item in node.items():
            check(item, schema["items"], problems, f"an item of {what}")
    elif "pattern" in schema and not re.search(schema["pattern"], node.text):
        problems.append(
            f"{node.mark}: {what} `{node.text}` must match {schema['pattern']}: {schema.get('description', '')}"
        )
    elif "minimum" in schema and node.plain() < schema["minimum"]:
        problems.append(f"{node.mark}: {what} must be at least {schema['minimum']}, not {node.plain()}")


def _alternatives(node: Node, choices: list[dict[str, Any]], problems: list[str], what: str) -> None:
    """The alternatives of this grammar differ in type, so the node's type says which one was meant."""
    for choice in choices:
        if _is(node, choice["type"]):
            return check(node, choice, problems, what)
    expected = " or ".join(_NAMES[choice["type"]] for choice in choices)
    problems.append(f"{node.mark}: {what} must be {expected}, not {_shown(node)}")
    return None


def _mapping(node: Node, schema: dict[str, Any], problems: list[str]) -> None:
    assert isinstance(node.value, dict)
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for key, value in node.value.items():
        if key in known:
            check(value, known[key], problems, f"`{key}`")
        elif others is False:
            problems.append(f"{value.key_mark}: unknown key `{key}`{nearest(key, known)}")
        elif isinstance(others, dict):
            check(value, others, problems, f"`{key}`")
    for key in schema.get("required", ()):
        if key not in node.value:
            problems.append(f"{node.mark}: the key `{key}` is missing: {known[key].get('description', '')}")


def _is(node: Node, kind: str) -> bool:
    if kind == "string":
        return isinstance(node.value, str) or (node.expanded and not isinstance(node.value, (list, dict)))
    if kind == "integer":
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    return isinstance(node.value, list if kind == "array" else dict)


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    return "nothing" if node.value is None else f"`{node.text}`"
