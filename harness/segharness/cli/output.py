"""Output of commands: the screen, or a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from segharness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def emit(text: str, output: Path | None) -> None:
    """Write a document to a file, completely or not at all; to the screen if `output` is None.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    from segharness.store.atomic import write_atomic

    output = output.resolve() if output.is_symlink() else output
    if output.exists() and not output.is_file():
        raise UsageError(f"{output}: is not a regular file; without -o the document is printed")
    try:
        write_atomic(output, text.encode())
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error


def screen() -> Console:
    """Return the console for tables: as wide as the terminal; for a file or pipe COLUMNS wide, or 200 columns."""
    columns = os.environ.get("COLUMNS", "")
    if sys.stdout.isatty():
        return terminal()
    return terminal(width=int(columns) if columns.isdigit() else 200)


def terminal(
    *, stderr: bool = False, width: int | None = None, file: TextIO | None = None, soft_wrap: bool = False
) -> Console:
    """Return a console that writes control characters out, which names from strangers' files may hold.

    Args:
        stderr: whether it prints on standard error.
        width: in columns; None for the terminal's.
        file: what it prints into; None for standard output.
        soft_wrap: whether long lines are left to the terminal to wrap.
    """
    from rich.console import Console

    from segharness.report.console import guarded

    return guarded(Console(stderr=stderr, width=width, file=file, soft_wrap=soft_wrap))


def say(text: str) -> None:
    """Print a line on standard error, with its control characters written out."""
    from segharness.texts import visible

    print(visible(text), file=sys.stderr)
