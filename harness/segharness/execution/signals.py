"""Ctrl-C: the first finishes the files in flight, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from segharness.errors import Interrupted


@contextmanager
def interruptible(finish: Callable[[], None]) -> Iterator[None]:
    """Within the block, the first SIGINT or SIGTERM calls `finish` and the next raises Interrupted, a KeyboardInterrupt.

    Python handles signals in the main thread only. In another thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    finishing = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal finishing
        if finishing:
            raise Interrupted
        finishing = True
        finish()

    handlers = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
