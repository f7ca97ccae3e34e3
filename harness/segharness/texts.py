"""Texts that are shown or shared: what a terminal or a document would obey is escaped, what is private left out.

Names and reasons may come from files of strangers. Ids, headings and titles of our own pass through unchanged
everywhere but in LaTeX.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys, and what changes the direction of letters; a new line is not among them."""

_CREDENTIALS = re.compile(r"://[^\s'\"`]*@")

_KEYS = re.compile(r"(?i)([?&][\w-]*(?:token|key|secret|signature|sig|password|credential)[\w-]*=)[^&\s'\"`]+")
"""Settings in the address of a store that may be secret."""

_URL = re.compile(r"(?i)\b(?!file:)[a-z][a-z0-9+.-]*://[^\s'\"`]*")

_FOLDERS = re.compile(r"(?<![\w.~/<$}-])(?:(?:file://)?/|\.\./)(?:[^\s/:'\"`,;()<>|]+/)*(?=[^\s/:'\"`,;()<>|])")
"""The folders of a path that is absolute, or begins with ``..``."""

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


def without_credentials(text: str) -> str:
    """Return a text whose URLs have no user, password, key or token.

    Example:
        >>> without_credentials("s3://KEY:SEC/RET@bucket/run?session_token=x: gone")
        's3://...@bucket/run?session_token=... gone'
    """
    return _KEYS.sub(r"\1...", _CREDENTIALS.sub("://...@", text)) if "://" in text else text


def without_folders(text: str) -> str:
    """Return a text in which the paths of this machine are names, and URLs have no credentials.

    Example:
        >>> without_folders("no file /home/ada/coco/val.json, and s3://bucket/run/x is gone")
        'no file .../val.json, and s3://bucket/run/x is gone'
    """
    for folder in _own_folders():
        text = text.replace(f"{folder}/", "/")  # their names may hold spaces
    parts, end = [], 0
    for url in _URL.finditer(text):
        parts += [_FOLDERS.sub(".../", text[end : url.start()]), without_credentials(url[0])]
        end = url.end()
    return "".join([*parts, _FOLDERS.sub(".../", text[end:])])


def _own_folders() -> set[str]:
    """Return the user's home and the working directory, where there are such."""
    found = set()
    for place in (Path.home, Path.cwd):
        with contextlib.suppress(RuntimeError, OSError):  # a user without an entry; a folder that was deleted
            found.add(str(place()))
    return found - {"/"}
