"""Parses YAML text into a tree of nodes that know their place in the file.

The parser collects all mistakes of a file, not only the first. It refuses YAML tags, duplicate keys and merge keys.
Strings may contain ``${NAME}`` and ``${NAME:-default}``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from segharness.suite.mark import Mark
from segharness.suite.variables import VARIABLE, Variables

Value: TypeAlias = "str | int | float | bool | list[Node] | dict[str, Node] | None"

_MOST_NODES = 100_000
_DEEPEST = 100
EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
"""Numbers such as ``1e-3``. YAML 1.1 reads them as strings: it requires a dot, and a sign in the exponent."""


@dataclass(frozen=True)
class Node:
    """A value of a suite file, and its place.

    Attributes:
        value: a scalar, a list of nodes, or a mapping from keys to nodes.
        mark: the place where the value begins.
        key_mark: the place of its key, if it is the value of a mapping.
        text: the text of a scalar, as written, with variables expanded.
        expanded: whether a variable was expanded in it; the value may then be meant as text or as a number.
        from_user: whether it begins with the value of a variable that the user set. A relative path is then relative
            to the working directory, not to the file.
        problems: mistakes in its variables or its tag; reported only if the node is used.
        written: the text as written, if the value of a variable went into it: ``${NAME}/part``; else an empty text.
        values: the values of variables that went into it, with ``${NAME}`` for each.
    """

    value: Value
    mark: Mark
    key_mark: Mark | None = None
    text: str = ""
    expanded: bool = False
    from_user: bool = False
    problems: tuple[str, ...] = ()
    written: str = ""
    values: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> Node | None:
        """Return the value of a key of a mapping; None if there is no such key, or the node is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> list[Node]:
        """Return the items of a list; an empty list if the node is no list."""
        return self.value if isinstance(self.value, list) else []

    def plain(self) -> Any:
        """Return the value as plain scalars, lists and dictionaries."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def all_values(self) -> dict[str, str]:
        """Return the values of variables that went into it and what is in it, with ``${NAME}`` for each."""
        children = self.value.values() if isinstance(self.value, dict) else self.items()
        found = dict(self.values)
        for child in children:
            found |= child.all_values()
        return found

    def shared(self) -> Any:
        """Return `plain`, but a text that the value of a variable went into as it is written.

        Numbers that a variable has are no secrets, and a reader of results wants to know them.
        """
        if isinstance(self.value, dict):
            return {key: node.shared() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.shared() for node in self.value]
        return self.written if self.written and isinstance(self.value, str) else self.value


def encoding_of(data: bytes) -> str:
    """Return the encoding of a suite by its first bytes, as YAML tells it; editors of Windows write UTF-16 and BOMs."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(data) > 1 and 0 in data[:2] and data[0] != data[1]:  # ASCII as UTF-16 without a BOM
        return "utf-16-le" if data[1] == 0 else "utf-16-be"
    return "utf-8-sig"


def parse(text: str, file: str, variables: Variables, problems: list[str]) -> Node | None:
    """Return the tree of a YAML text, or None if it cannot be read at all.

    Args:
        text: the YAML text.
        file: the path that messages show.
        variables: the values of ``${NAME}``.
        problems: messages; mistakes are appended. Some wait in `Node.problems` until the node is used.
    """
    tagged: dict[Mark, str] = {}
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:  # further ones would cost a time that grows with the square of their number
                problems.append(f"{_mark(file, event.start_mark)}: brackets are nested too deeply")
                return None
            tag = getattr(event, "tag", None)
            if tag is not None:
                mark = _mark(file, event.start_mark)
                tagged[mark] = f"{mark}: YAML tags such as `{tag}` are not allowed in suites"
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark_or_file = _mark(file, error.problem_mark) if error.problem_mark else file
        context = f" ({error.context})" if error.context else ""
        problems.append(f"{mark_or_file}: not YAML: {error.problem}{context}")
        return None
    except yaml.YAMLError as error:
        problems.append(f"{file}: not YAML: {str(error).splitlines()[0]}")
        return None
    except RecursionError:
        problems.append(f"{file}: brackets are nested too deeply")
        return None
    if root is None:
        problems.append(f"{file}:1:1: the file is empty; a suite begins with `segharness: 1`")
        return None
    return _Reader(file, loader, variables, problems, tagged).read(root, ())


class _Reader:
    """Turns nodes of PyYAML into `Node`s."""

    def __init__(
        self,
        file: str,
        loader: yaml.SafeLoader,
        variables: Variables,
        problems: list[str],
        tagged: Mapping[Mark, str],
    ) -> None:
        self.file, self.loader, self.variables, self.problems = file, loader, variables, problems
        self.tagged = tagged
        self.count = 0

    def read(self, node: yaml.Node, above: tuple[int, ...], key_mark: Mark | None = None) -> Node:
        """Return a node of PyYAML as a `Node`; `above` holds the ids of the nodes that contain it."""
        mark = _mark(self.file, node.start_mark)
        self.count += 1
        if id(node) in above or self.count > _MOST_NODES:
            if self.count <= _MOST_NODES + 1:
                self.problems.append(f"{mark}: an alias contains itself, or aliases expand to over {_MOST_NODES} nodes")
            return Node(None, mark, key_mark)
        if mark in self.tagged:
            return Node(None, mark, key_mark, problems=(self.tagged[mark],))
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, above), mark, key_mark)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.read(item, above) for item in node.value], mark, key_mark)
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, mark, key_mark)

    def _mapping(self, node: yaml.MappingNode, above: tuple[int, ...]) -> dict[str, Node]:
        children: dict[str, Node] = {}
        for key_node, value_node in node.value:
            mark = _mark(self.file, key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{mark}: a key must be a plain word")
                continue
            key = str(key_node.value)
            value = self.read(value_node, above, mark)
            if key in children:
                self.problems.append(f"{mark}: duplicate key `{key}`; first given at {children[key].key_mark}")
            else:
                children[key] = value
        return children

    def _scalar(self, node: yaml.ScalarNode, mark: Mark, key_mark: Mark | None) -> Node:
        text, tag = str(node.value), node.tag
        problems: list[str] = []
        expanded = self.variables.expand(text, mark, problems) if "$" in text else text
        changed = expanded != text
        plain = node.style is None or (
            changed and VARIABLE.fullmatch(text) is not None
        )  # inside `{ }` it must be quoted
        if changed and plain:
            tag = self.loader.resolve(  # type: ignore[no-untyped-call]
                yaml.ScalarNode, expanded, (True, False)
            )
        if tag.rpartition(":")[2] not in ("str", "int", "float", "bool", "null"):
            tag = "tag:yaml.org,2002:str"
        if plain and (meant := _other_meaning(tag, expanded)) is not None:
            problems.append(f"{mark}: `{expanded}` is {meant}; write the number without it, or quotes around a text")
            return Node(None, mark, key_mark, problems=tuple(problems))
        try:
            value = self.loader.construct_object(yaml.ScalarNode(tag, expanded, node.start_mark, node.end_mark))
        except ValueError:
            value = expanded
        if isinstance(value, str) and plain and EXPONENT.fullmatch(value):
            value = float(value)
        from_user = changed and self.variables.begins_given(text)
        values = tuple(self.variables.values(text).items()) if changed else ()
        return Node(
            value, mark, key_mark, expanded, changed, from_user, tuple(problems), text if values else "", values
        )


def _other_meaning(tag: str, text: str) -> str | None:
    """Return what YAML 1.1 takes a number for that nobody would, or None."""
    if tag.rpartition(":")[2] not in ("int", "float"):
        return None
    if ":" in text:
        return "a number of base 60 to YAML 1.1, like a time of day"
    if re.fullmatch(r"[-+]?0[0-9_]+", text):
        return "an octal number to YAML 1.1, because it begins with 0"
    if re.fullmatch(r"[-+]?0[bx].*", text):
        return "a number of another base"
    return "a number with `_` in it to YAML 1.1" if "_" in text else None


def _mark(file: str, mark: Any) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1)


def scalar(text: str, mark: Mark) -> Node:
    """Return the node that a suite would have for a text from the command line or a variable's value."""
    try:
        value = yaml.safe_load(text) if text else ""
    except (yaml.YAMLError, ValueError):
        value = text
    value = float(text) if EXPONENT.fullmatch(text) else value
    problems: tuple[str, ...] = ()
    if isinstance(value, (int, float)) and (meant := _other_meaning("int", text)) is not None:
        problems = (f"{mark}: `{text}` is {meant}; write the number without it",)
    return Node(
        value if isinstance(value, (bool, int, float)) else text, mark, mark, text, True, True, problems=problems
    )


def mapping(node: Node | None) -> Mapping[str, Node]:
    """Return the keys and values of a mapping node; an empty mapping for any other node or None."""
    return node.value if node is not None and isinstance(node.value, dict) else {}


def items(node: Node | None) -> list[Node]:
    """Return the items of a list node; an empty list for any other node or None."""
    return node.items() if node else []
