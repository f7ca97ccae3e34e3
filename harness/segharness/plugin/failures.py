"""What plugins raise: one line for the user, the traceback for the log.

Tracebacks go to the logger ``segharness``. Without a handler they are dropped; ``-v`` shows them on stderr, and a run
keeps them in its ``logs/``.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from segharness.errors import PluginError, SegharnessError

_LOGGER = logging.getLogger("segharness")


def text_of(error: BaseException) -> str:
    """Return what an error says, even if it raises when it is asked; its class is always known.

    Example:
        >>> text_of(ValueError())
        'ValueError()'
    """
    try:
        return str(error).strip() or repr(error)
    except Exception:  # noqa: BLE001  an error of a plugin may have any __str__
        return "an error that cannot be shown"


def describe(error: BaseException) -> str:
    """Return an error as one line. Errors of other packages are preceded by the name of their class.

    Example:
        >>> describe(ValueError("no such layer\\ndetails"))
        'ValueError: no such layer'
    """
    text = text_of(error).splitlines()[0]
    return text if isinstance(error, SegharnessError) else f"{type(error).__name__}: {text}"


def log_failure(message: str, error: BaseException) -> None:
    """Log an error with its traceback, and the message that the user gets."""
    _LOGGER.info(message, exc_info=error)


def plugin_failure(what: str, error: BaseException) -> PluginError:
    """Log an error that a plugin raised, and return the error to raise in its place.

    Args:
        what: the plugin's part, such as ``reporter `acme-json```.
        error: what it raised.
    """
    message = f"{what}: its plugin raised {describe(error)} (-v shows where)"
    log_failure(message, error)
    return PluginError(message)


def show_tracebacks() -> None:
    """Show logged tracebacks on stderr, for the rest of this process."""
    _LOGGER.setLevel(logging.INFO)
    for handler in [h for h in _LOGGER.handlers if isinstance(h, _OnScreen)]:  # of an earlier call in this process
        _LOGGER.removeHandler(handler)
    _LOGGER.addHandler(_OnScreen(sys.stderr))


@contextlib.contextmanager
def tracebacks_in(file: Path) -> Iterator[None]:
    """Append the tracebacks that are logged within the block to a file. It is made by the first of them.

    A file that cannot be written loses the tracebacks and nothing else.
    """
    handler = _Appender(file)
    level = _LOGGER.level
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(level)


class _OnScreen(logging.StreamHandler):  # type: ignore[type-arg]  # generic only for type checkers
    """Shows records on stderr."""


class _Appender(logging.Handler):
    """Appends records to a file, which it makes with its folder when the first comes."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(self.format(record) + "\n")
