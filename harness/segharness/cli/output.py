"""Output of commands: the screen, or a file."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from segharness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


class OutputLostError(Exception):
    """Standard output takes nothing more, for example because its disk is full. The message says what is kept."""


class ReaderGoneError(Exception):
    """Nobody reads standard output any more, as after ``| head``; that is no mistake."""


def open_streams() -> None:
    """Make the standard streams such that printing costs no work.

    What is closed, as under cron, is opened on the null device. Otherwise the next file that is opened would take its
    number, and get what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold letters that the terminal lacks
    if type(sys.stdout) is io.TextIOWrapper:
        terminal, encoding = sys.stdout.line_buffering, sys.stdout.encoding
        sys.stdout = _Output(sys.stdout.detach(), encoding, "backslashreplace", line_buffering=terminal)


class _Output(io.TextIOWrapper):
    """Standard output that says of an error that it is its own: files raise the same errors."""

    def write(self, text: str) -> int:
        with _own_errors():
            return super().write(text)

    def flush(self) -> None:
        with _own_errors():
            super().flush()


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        silence_stdout()
        raise ReaderGoneError from error  # rich would end the process at the error itself
    except OSError as error:
        silence_stdout()  # what is still in buffers would raise again when the process ends
        raise OutputLostError(f"standard output: {error.strerror}") from error


def silence_stdout() -> None:
    """Let standard output lead nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


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

    from segharness.escaping import guarded

    return guarded(Console(stderr=stderr, width=width, file=file, soft_wrap=soft_wrap))


def say(text: str) -> None:
    """Print a line on standard error, with its control characters written out."""
    from segharness.escaping import visible

    print(visible(text), file=sys.stderr)
