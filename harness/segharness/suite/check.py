"""Checks a tree of nodes against `segharness.suite.schema`; every mistake becomes one line with its place.

A small interpreter of JSON Schema's types, properties and alternatives rather than a validation library: those report
paths and "is not valid under any of the given schemas", where a suite's author needs the line and the word that was meant.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from segharness.errors import nearest
from segharness.suite.nodes import Node
from segharness.suite.schema import SUITE

_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a mapping",
}


def check(node: Node, schema: dict[str, Any], problems: list[str], what: str = "the suite") -> Node | None:
    """Append every violation of `schema` in `node` to `problems`.

    Args:
        node: what to check.
        schema: what it should be.
        problems: messages, each with its place.
        what: how messages call the node.

    Returns:
        the node without what is wrong in it, so that the rest can be looked at too; None where nothing is left.
    """
    before = len(problems)
    problems += node.problems
    if len(problems) > before:
        return None
    if "anyOf" in schema:
        return _alternatives(node, schema["anyOf"], problems, what)
    if "const" in schema:
        if node.value != schema["const"] or isinstance(node.value, bool):
            problems.append(
                f"{node.mark}: {what} is {node.plain()!r}; this segharness reads version {schema['const']}"
                " (a newer file needs a newer segharness: pip install -U segharness)"
            )
    elif not _is(node, schema["type"]):
        problems.append(f"{node.mark}: {what} must be {_NAMES[schema['type']]}, not {_shown(node)}")
    elif schema["type"] == "object":
        return _mapping(node, schema, problems)
    elif schema["type"] == "array":
        checked = [check(item, schema["items"], problems, f"an item of {what}") for item in node.items()]
        return dataclasses.replace(node, value=[item for item in checked if item is not None])
    elif "pattern" in schema and ("\n" in node.text or not re.search(schema["pattern"], node.text)):
        problems.append(
            f"{node.mark}: {what} `{node.text}` must match {schema['pattern']}: {schema.get('description', '')}"
        )
    elif "minimum" in schema and node.plain() < schema["minimum"]:
        problems.append(f"{node.mark}: {what} must be at least {schema['minimum']}, not {node.plain()}")
    return node if len(problems) == before else None


def _alternatives(node: Node, choices: list[dict[str, Any]], problems: list[str], what: str) -> Node | None:
    """The alternatives of this grammar differ in type, so the node's type says which one was meant."""
    for choice in choices:
        if _is(node, choice["type"]):
            return check(node, choice, problems, what)
    expected = " or ".join(_NAMES[choice["type"]] for choice in choices)
    problems.append(f"{node.mark}: {what} must be {expected}, not {_shown(node)}")
    return None


def _mapping(node: Node, schema: dict[str, Any], problems: list[str]) -> Node | None:
    assert isinstance(node.value, dict)
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    kept: dict[str, Node] = {}
    for key, value in node.value.items():
        found: Node | None = None
        if key in known:
            found = check(value, known[key], problems, f"`{key}`")
        elif others is False:
            problems.append(f"{value.key_mark}: unknown key `{key}`{nearest(key, known)}")
        elif isinstance(others, dict):
            found = check(value, others, problems, f"`{key}`")
        else:
            found = _anything(value, problems)
        if found is not None:
            kept[key] = found
    required = schema.get("required", ())
    for key in required:
        if key not in node.value:
            problems.append(f"{node.mark}: the key `{key}` is missing: {known[key].get('description', '')}")
    return dataclasses.replace(node, value=kept) if schema is SUITE or kept.keys() >= set(required) else None


def _anything(node: Node, problems: list[str]) -> Node | None:
    """Options are the plugin's to check; only variables without a value are ours."""
    problems += node.problems
    inner = list(node.value.values()) if isinstance(node.value, dict) else node.items()
    checked = [_anything(item, problems) for item in inner]
    return None if node.problems or None in checked else node


def _is(node: Node, kind: str) -> bool:
    if kind == "string":
        return isinstance(node.value, str) or (node.expanded and not isinstance(node.value, (list, dict)))
    if kind == "integer":
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    if kind == "number":
        return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    return isinstance(node.value, list if kind == "array" else dict)


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    return "nothing" if node.value is None else f"`{node.text}`"
