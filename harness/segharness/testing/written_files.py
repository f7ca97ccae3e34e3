"""Which files the code of a plugin writes, seen by Python's audit events."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.move"}


class _Watch(threading.local):
    """The paths that this thread wrote to, while somebody watches."""

    paths: list[Path] | None = None


_watch = _Watch()
_installed = False


@contextmanager
def written_files() -> Iterator[list[Path]]:
    """Yield a list to which the absolute paths of files are appended that this thread opens for writing, or changes.

    Example:
        >>> with written_files() as paths:
        ...     Path(os.devnull).write_text("")
        0
        >>> paths
        [PosixPath('/dev/null')]
    """
    global _installed
    if not _installed:  # a hook cannot be taken away
        sys.addaudithook(_note)
        _installed = True
    before, _watch.paths = _watch.paths, []
    try:
        yield _watch.paths
    finally:
        _watch.paths = before


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    paths = _watch.paths
    if paths is None:
        return
    changed: tuple[Any, ...] = ()
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        changed = arguments[:1]
    elif event in _CHANGES:
        changed = arguments[:2]
    for path in changed:
        if isinstance(path, (str, bytes, os.PathLike)):
            paths.append(Path(os.path.abspath(os.fsdecode(path))))  # noqa: PTH100  links are not followed
