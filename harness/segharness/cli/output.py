"""Where commands print: the screen, or a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from segharness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def emit(text: str, output: Path | None) -> None:
    """Write a document into a file, whole or not at all, or to the screen when there is none.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    from segharness.store.atomic import write_atomic

    try:
        write_atomic(output, text.encode())
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error


def screen() -> Console:
    """Return where tables are printed: a terminal as wide as it is; a file or pipe 200 columns wide, or as COLUMNS says."""
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    return Console() if sys.stdout.isatty() else Console(width=int(columns) if columns.isdigit() else 200)
