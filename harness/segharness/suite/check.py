"""Checks a tree of nodes against `segharness.suite.schema`; every mistake becomes one line with its place.

This is a small interpreter of JSON Schema's types, properties and alternatives. Validation libraries report paths and
"is not valid under any of the given schemas"; a suite's author needs the line, and the word that was probably meant.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from segharness.errors import nearest
from segharness.suite.schema import SUITE
from segharness.suite.yaml_parser import Node

_TYPE_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a mapping",
}


def check(node: Node, schema: dict[str, Any], problems: list[str], what: str = "the suite") -> Node | None:
    """Append every violation of `schema` in `node` to `problems`.

    Args:
        node: the node to check.
        schema: a JSON Schema; only the keywords that `segharness.suite.schema` uses are known.
        problems: messages, each with its place.
        what: the words that messages use for the node.

    Returns:
        The node without its wrong parts, so that the rest can be checked further; None if nothing is left.
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
    elif not _has_type(node, schema["type"]):
        problems.append(f"{node.mark}: {what} must be {_TYPE_NAMES[schema['type']]}, not {_described(node)}")
    elif schema["type"] == "object":
        return _mapping(node, schema, problems)
    elif schema["type"] == "array":
        checked = [check(item, schema["items"], problems, f"an item of {what}") for item in node.items()]
        return dataclasses.replace(node, value=[item for item in checked if item is not None])
    elif "enum" in schema and node.text not in schema["enum"]:
        *others, last = schema["enum"]
        hint = nearest(node.text, schema["enum"], listed=False)
        problems.append(f"{node.mark}: {what} is `{node.text}`, not {', '.join(others)} or {last}{hint}")
    elif "pattern" in schema and ("\n" in node.text or not re.search(schema["pattern"], node.text)):
        problems.append(
            f"{node.mark}: {what} `{node.text}` must match {schema['pattern']}: {schema.get('description', '')}"
        )
    elif "minimum" in schema and node.plain() < schema["minimum"]:
        problems.append(f"{node.mark}: {what} must be at least {schema['minimum']}, not {node.plain()}")
    return node if len(problems) == before else None


def _alternatives(node: Node, choices: list[dict[str, Any]], problems: list[str], what: str) -> Node | None:
    """Check a node against the alternative of its type: the alternatives of this grammar all differ in type."""
    for choice in choices:
        if _has_type(node, choice["type"]):
            return check(node, choice, problems, what)
    expected = " or ".join(_TYPE_NAMES[choice["type"]] for choice in choices)
    problems.append(f"{node.mark}: {what} must be {expected}, not {_described(node)}")
    return None


def _mapping(node: Node, schema: dict[str, Any], problems: list[str]) -> Node | None:
    assert isinstance(node.value, dict)
    properties = schema.get("properties", {})
    additional = schema.get("additionalProperties", True)
    kept: dict[str, Node] = {}
    for key, value in node.value.items():
        checked: Node | None = None
        if key in properties:
            checked = check(value, properties[key], problems, f"`{key}`")
        elif additional is False:
            problems.append(f"{value.key_mark}: unknown key `{key}`{nearest(key, properties)}")
        elif isinstance(additional, dict):
            checked = check(value, additional, problems, f"`{key}`")
        else:
            checked = _without_schema(value, problems)
        if checked is not None:
            kept[key] = checked
    required = schema.get("required", ())
    for key in required:
        if key not in node.value:
            problems.append(f"{node.mark}: the key `{key}` is missing: {properties[key].get('description', '')}")
    return dataclasses.replace(node, value=kept) if schema is SUITE or kept.keys() >= set(required) else None


def _without_schema(node: Node, problems: list[str]) -> Node | None:
    """Check only that variables have values and that there are no tags: the plugin checks the values of options."""
    problems += node.problems
    children = list(node.value.values()) if isinstance(node.value, dict) else node.items()
    checked = [_without_schema(child, problems) for child in children]
    return None if node.problems or None in checked else node


def _has_type(node: Node, kind: str) -> bool:
    if kind == "string":
        return isinstance(node.value, str) or (node.expanded and not isinstance(node.value, (list, dict)))
    if kind == "integer":
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    if kind == "number":
        return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    return isinstance(node.value, list if kind == "array" else dict)


def _described(node: Node) -> str:
    """Return the words that messages use for a value of the wrong type."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    return "nothing" if node.value is None else f"`{node.text}`"
