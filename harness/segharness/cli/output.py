"""Output of commands: the screen, or a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    return Console() if sys.stdout.isatty() else Console(width=int(columns) if columns.isdigit() else 200)
