"""Atomic writes: a file is whole or absent. Write beside it, fsync, rename; on an object store, one put."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segharness.store.remote import StorePath


def write_atomic(path: StorePath, data: bytes | memoryview, durable: bool = True, mode: int = 0o666) -> None:
    """Write a file so that it holds either all of `data` or what it held before, also after a crash.

    Args:
        path: of the file; its folder is created if needed.
        data: the new content.
        durable: whether this also holds after a loss of power. False is faster, for many files whose digests are stored
            elsewhere.
        mode: the file's permissions before the umask.

    Raises:
        OSError: the disk is full or not writable. No temporary file is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomic(Path(folder, "new/table.csv"), b"model,AP")
        ...     Path(folder, "new/table.csv").read_text()
        'model,AP'
    """
    if not isinstance(path, Path):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}.part"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
