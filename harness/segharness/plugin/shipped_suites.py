"""The suites that ship with segharness: the files of ``suites/``, under their paths as names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from segharness.plugin.specs import SuiteSpec

_INSTALLED = Path(__file__).resolve().parents[1] / "suites"
_CHECKOUT = Path(__file__).resolve().parents[3] / "suites"
"""Where they lie: in an installed package, or in the repository."""


def shipped_suites() -> Iterator[SuiteSpec]:
    """Yield a spec for every file, whose name is its path and whose description is the first sentence of its comment."""
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    for file in sorted(folder.rglob("*.yaml")):
        name = file.relative_to(folder).with_suffix("").as_posix()
        yield SuiteSpec(name, file=file, description=first_sentence(file.read_text(encoding="utf-8")))


def first_sentence(text: str) -> str:
    """Return the first sentence of the comment that a file begins with.

    Example:
        >>> first_sentence("# One suite of\\n# mine. It has models.\\nsegharness: 1\\n")
        'One suite of mine'
    """
    comment = re.match(r"(#.*\n)*", text)
    lines = comment.group().splitlines() if comment else []
    prose = " ".join(line[1:].strip() for line in lines if not line.startswith("#   "))
    return re.split(r"\.(?:\s|$)", prose, maxsplit=1)[0].rstrip(":")
