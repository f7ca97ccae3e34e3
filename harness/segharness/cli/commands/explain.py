"""``segharness explain``: what a message means and what to do, by the code at its end."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from segharness.cli.exit_codes import Exit
from segharness.errors import UsageError, nearest

_INSTALLED = Path(__file__).resolve().parents[2] / "troubleshooting.md"
_CHECKOUT = Path(__file__).resolve().parents[4] / "docs/troubleshooting.md"
"""Where the page lies: in an installed package, or in the repository."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as T01; all codes are listed without one")


def execute(args: argparse.Namespace) -> int:
    sections = read_sections()
    if args.code is None:
        for code, text in sections.items():
            print(f"{code}  {text.splitlines()[0]}")
        return Exit.OK
    if args.code.upper() not in sections:
        raise UsageError(f"no message has the code `{args.code}`{nearest(args.code, sections)}")
    print(sections[args.code.upper()])
    return Exit.OK


def read_sections() -> dict[str, str]:
    """Return the sections of docs/troubleshooting.md by their codes: the title, and what follows it, as plain text."""
    page = (_INSTALLED if _INSTALLED.is_file() else _CHECKOUT).read_text(encoding="utf-8")
    parts = re.split(r"^## (T\d\d) ", page, flags=re.MULTILINE)[1:]
    plain = (text.replace("**", "").replace("`", "").strip() for text in parts[1::2])
    return dict(zip(parts[::2], plain, strict=True))
