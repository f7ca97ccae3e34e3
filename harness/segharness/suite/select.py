"""Selects the cells to run: node ids, ``-k``, ``-m`` and ``--lf``, with pytest's expression grammar."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from segharness.errors import UsageError
from segharness.records import Cell

_TOKEN = re.compile(r"\s*(?:(\(|\))|([\w.:/+-]+)|(\S))")


def expression(text: str, flag: str) -> Callable[[Callable[[str], bool]], bool]:
    """Compile ``a and not (b or c)`` into a function that takes a predicate on words and returns the result.

    Args:
        text: words, ``and``, ``or``, ``not`` and brackets.
        flag: the flag that messages begin with.

    Raises:
        UsageError: the expression is malformed; the message gives the column.

    Example:
        >>> holds = expression("fog and not snow", "-k")
        >>> holds(lambda word: word in {"fog", "weather"})
        True
    """
    tokens = [(m.group(1) or m.group(2) or m.group(3), m.start(m.lastindex or 0)) for m in _TOKEN.finditer(text)]
    position = 0

    def fail(message: str, offset: int) -> UsageError:
        return UsageError(f"{flag} {text!r}, column {offset + 1}: {message}")

    def peek() -> str | None:
        return tokens[position][0] if position < len(tokens) else None

    def take() -> tuple[str, int]:
        nonlocal position
        if position >= len(tokens):
            raise fail("expected a word, `not` or `(`, found the end", len(text))
        position += 1
        return tokens[position - 1]

    def either() -> Callable[[Callable[[str], bool]], bool]:
        left = both()
        while peek() == "or":
            take()
            left = _or(left, both())
        return left

    def both() -> Callable[[Callable[[str], bool]], bool]:
        left = single()
        while peek() == "and":
            take()
            left = _and(left, single())
        return left

    def single() -> Callable[[Callable[[str], bool]], bool]:
        word, offset = take()
        if word == "not":
            inner = single()
            return lambda holds: not inner(holds)
        if word == "(":
            inner = either()
            if peek() != ")":
                raise fail("a `(` is not closed", offset)
            take()
            return inner
        if word in (")", "and", "or") or not re.fullmatch(r"[\w.:/+-]+", word):
            raise fail(f"expected a word, `not` or `(`, found `{word}`", offset)
        return lambda holds: holds(word)

    try:
        compiled = either()
    except RecursionError:
        raise UsageError(f"{flag}: the expression is nested too deeply") from None
    if position < len(tokens):
        raise fail(f"expected `and`, `or` or the end, found `{tokens[position][0]}`", tokens[position][1])
    return compiled


def _or(left: Callable[..., bool], right: Callable[..., bool]) -> Callable[[Callable[[str], bool]], bool]:
    return lambda holds: left(holds) or right(holds)


def _and(left: Callable[..., bool], right: Callable[..., bool]) -> Callable[[Callable[[str], bool]], bool]:
    return lambda holds: left(holds) and right(holds)


@dataclass(frozen=True)
class Selection:
    """The cells that the command line selects; a cell must meet all of the criteria.

    Attributes:
        parts: the names after a suite's path in node ids, e.g. ``("maskrcnn", "coco", "fog-3")``. A cell must begin
            with one of them; empty for all.
        keyword: the expression of ``-k``. Its words are parts of a cell's names, in upper or lower case.
        tags: the expression of ``-m``. Its words are tags of the model, data set or condition.
        keys: the (model, data set, condition) of the cells that ``--lf`` keeps; None for all.
    """

    parts: tuple[tuple[str, ...], ...] = ()
    keyword: str = ""
    tags: str = ""
    keys: frozenset[tuple[str, str, str]] | None = None

    def admits(self, cell: Cell) -> bool:
        """Return whether a cell is selected.

        Raises:
            UsageError: `keyword` or `tags` is malformed.
        """
        if self.parts and not any(cell.key[: len(parts)] == parts for parts in self.parts):
            return False
        if self.keys is not None and cell.key not in self.keys:
            return False
        names = "::".join(cell.key).lower()
        if self.keyword and not expression(self.keyword, "-k")(lambda word: word.lower() in names):
            return False
        return not self.tags or expression(self.tags, "-m")(lambda word: word in cell.tags)
