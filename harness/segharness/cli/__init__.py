"""The command line: `main`, one module per command (`commands/`), and the arguments that they share (`arguments/`)."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from segharness.errors import Interrupted

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 2 after Ctrl-C or SIGTERM, also while everything else is imported."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        sys.unraisablehook = _raise_again
    try:
        from segharness.cli.command_line import run

        return run(argv)
    except KeyboardInterrupt:
        _ignore_signals()
        print("interrupted", file=sys.stderr)
        return 2
    finally:
        _ignore_signals()


def _ignore_signals() -> None:
    """Let no further signal change the exit code, which is decided: Python gives them up before it ends."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Treat SIGTERM, which Slurm, Docker and systemd send, as Ctrl-C, also before and after the predictions."""
    raise Interrupted


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Raise an interruption once more that Python dropped, since it came in a callback, as imports have them."""
    if issubclass(lost.exc_type, Interrupted):
        timer = threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,))
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(lost)
