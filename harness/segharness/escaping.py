"""Escapes texts for where they are shown: names and reasons may come from files of strangers.

Ids, headings and titles of our own pass through unchanged everywhere but in LaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from segharness.redaction import without_credentials

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable
    from rich.segment import Segment

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys, and what changes the direction of letters; a new line is not among them."""

_LATEX: dict[int, str] = {ord(c): f"\\{c}" for c in "_%&#${}"} | {
    ord("\\"): r"\textbackslash{}",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
}

_MARKDOWN: dict[int, str] = {ord(c): f"\\{c}" for c in "\\|[]*"} | {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
}


def visible(text: str) -> str:
    """Return a text that a terminal may show: control characters are written out, credentials in URLs left out.

    Example:
        >>> visible("fog\\x1b[2J")
        'fog\\\\x1b[2J'
    """
    return _CONTROLS.sub(lambda match: ascii(match[0])[1:-1], without_credentials(text))


def line(text: str) -> str:
    """Return a text as one line, with its control characters written out.

    Example:
        >>> line("two\\nlines")
        'two lines'
    """
    return visible(" ".join(text.split("\n")))


def latex(text: str) -> str:
    """Return a text as LaTeX that typesets it, in one line.

    Example:
        >>> latex(r"50% of \\input{x}")
        '50\\\\% of \\\\textbackslash{}input\\\\{x\\\\}'
    """
    typeset = line(text).translate(_LATEX)
    return f"{{}}{typeset}" if typeset[:1] in {"[", "*"} else typeset  # after a line's end they would be its options


def markdown(text: str) -> str:
    """Return a text as Markdown that shows it: no HTML, no link or picture behind a text, no further cell of a table.

    Example:
        >>> markdown("a|<b>")
        'a\\\\|&lt;b&gt;'
    """
    return line(text).translate(_MARKDOWN)


def csv_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Example:
        >>> csv_text("=1+1"), csv_text("fog-3")
        ("'=1+1", 'fog-3')
    """
    shown = line(text)
    return f"'{shown}" if shown.lstrip(" ")[:1] in {"=", "+", "-", "@"} else shown


class _Visible:
    """What rich can print, with the control characters of its texts written out."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


class _VisibleHook:
    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        return [_Visible(renderable) for renderable in renderables]


def guarded(console: Console) -> Console:
    """Return the console itself, which from now on writes out the control characters of what it prints."""
    console.push_render_hook(_VisibleHook())  # type: ignore[arg-type]  # rich's class would have to be imported
    return console
