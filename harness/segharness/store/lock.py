"""The lock of a run folder: one run writes into it at a time."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType

from segharness.errors import StoreError, coded
from segharness.store.folder import RunFolder
from segharness.store.remote import RemotePath

try:
    import fcntl
except ImportError:  # systems without it have no lock; Windows is not supported
    fcntl = None  # type: ignore[assignment]

RENEWAL_INTERVAL = 15.0
"""Seconds between two renewals of the lock on an object store. It expires after 6 times as long without a renewal."""

_FARTHEST = 24 * 3600.0
"""A lease dated so many seconds ahead is not believed; clocks differ by less."""

CHECK_DELAY = (0.5, 1.5)
"""Range of the seconds between writing a lease and checking whether another run has overwritten it."""


class Lock:
    """A context manager that a run holds while it writes into a folder.

    On a file system it is a lock of the kernel, which ends with its process. On an object store it is a file that is
    renewed while the run goes on.

    A folder may come from anybody: what it links to is not written into.

    Raises:
        StoreError: on entry, if another run holds the lock, the folder cannot be written, or a folder in it is a link.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        path = folder.path / ".lock"
        self._lock: _FileLock | _Lease = _FileLock(path) if isinstance(path, Path) else _Lease(path)

    def __enter__(self) -> Lock:
        self._lock.acquire()
        try:
            if isinstance(self._folder.path, Path):
                _refuse_links(self._folder.path, self._folder.logs)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


class _FileLock:
    """A lock of the kernel on a file, which says which process holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            self._handle = os.open(self._path, flags, 0o644)  # a link is not followed, a pipe does not block
            if not self._path.is_file():
                os.close(self._handle)
                self._handle = None
                raise StoreError(f"{self._path}: not a regular file; remove it")
        except OSError as error:
            link = " (it is a link; remove it)" if self._path.is_symlink() else ""
            raise StoreError(f"{self._path}: cannot be written: {error.strerror}{link}") from error
        if fcntl is not None:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(self._handle, 256).decode(errors="replace") or "another process"
                os.close(self._handle)
                self._handle = None
                raise StoreError(_held_message(str(self._path.parent), holder)) from None
            except OSError as error:
                os.close(self._handle)
                self._handle = None
                raise StoreError(
                    f"{self._path}: this file system has no locks ({error.strerror}); use --out"
                ) from error
        with contextlib.suppress(OSError):  # a full disk: the file then does not say who holds the lock
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()} on {platform.node()}".encode())

    def release(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, 0)  # who held it is nobody's business any more
            os.close(self._handle)
            self._handle = None


class _Lease:
    """A file with an id and a time.

    If two runs begin at once, each reads the file again after a pause. The run that finds the other's id stops.
    """

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._id = uuid.uuid4().hex
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        try:
            self._check_free()
            self._renew()
            time.sleep(
                random.SystemRandom().uniform(*CHECK_DELAY)
            )  # a run that began at the same time may have overwritten it
            self._check_free()
        except OSError as error:
            raise StoreError(f"{self._path.parent}: cannot be written: {str(error).splitlines()[0]}") from error
        self._thread = threading.Thread(target=self._keep_renewing, daemon=True, name="lease")
        self._thread.start()

    def release(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            with contextlib.suppress(OSError, ValueError):  # the lease expires anyway
                if json.loads(self._path.read_text())["id"] == self._id:
                    self._path.unlink(missing_ok=True)

    def _check_free(self) -> None:
        """Raise StoreError if another run holds the lease."""
        try:
            lease = json.loads(self._path.read_text())
            holder, is_own, renewed = str(lease["holder"]), lease["id"] == self._id, float(lease["time"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return
        if not is_own and -_FARTHEST < time.time() - renewed < 6 * RENEWAL_INTERVAL:
            raise StoreError(_held_message(str(self._path.parent), holder))

    def _renew(self) -> None:
        holder = f"{os.getpid()} on {platform.node()}"
        self._path.write_bytes(json.dumps({"id": self._id, "holder": holder, "time": time.time()}).encode())

    def _keep_renewing(self) -> None:
        while not self._ended.wait(RENEWAL_INTERVAL):
            try:
                self._check_free()
                self._renew()
            except OSError:
                continue  # the store does not answer; writes fail meanwhile, with a message of their own
            except StoreError:
                return  # the store was away so long that another run took over; both runs write only whole files


def _refuse_links(folder: Path, logs: Path) -> None:
    """Raise StoreError if a run folder has a link to a folder, or among its logs, to which lines are appended, no file."""
    for root, folders, _ in os.walk(folder):
        for name in folders:
            if (path := Path(root, name)).is_symlink():
                raise StoreError(f"{path}: is a link, and nothing is written through it: put the folder itself there")
    for path in logs.iterdir() if logs.is_dir() else ():
        if path.is_symlink() or not path.is_file():
            raise StoreError(f"{path}: is not a regular file, and no log is appended to it: remove it")


def _held_message(folder: str, holder: str) -> str:
    return coded("T09", f"{folder}: another run (process {holder}) is writing here; wait for it, or use --out")
