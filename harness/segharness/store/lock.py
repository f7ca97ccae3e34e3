"""Who may write into a run's folder: one run at a time."""

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

from segharness.errors import StoreError
from segharness.store.folder import RunFolder
from segharness.store.remote import RemotePath

try:
    import fcntl
except ImportError:  # a system without it gets no lock, and Windows is not supported
    fcntl = None  # type: ignore[assignment]

BEAT = 15.0
"""How often the lock on an object store is renewed, in seconds; one that was not renewed for 6 times as long is nobody's."""

PAUSE = (0.5, 1.5)
"""Seconds between taking a lease and looking whether somebody else took it since."""


class Lock:
    """Held while a run writes into a folder; a second run says so and stops.

    In a folder it is the kernel's, which ends with its process; on an object store it is a file that is renewed while the
    run goes on.

    Raises:
        StoreError: another run holds it, or the folder cannot be written.
    """

    def __init__(self, folder: RunFolder) -> None:
        path = folder.path / ".lock"
        self._held: _FileLock | _Lease = _FileLock(path) if isinstance(path, Path) else _Lease(path)

    def __enter__(self) -> Lock:
        self._held.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.give()


class _FileLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"{self._path.parent}: cannot be written: {error.strerror}") from error
        if fcntl is not None:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(self._handle, 256).decode(errors="replace") or "another process"
                os.close(self._handle)
                self._handle = None
                raise StoreError(_taken(str(self._path.parent), holder)) from None
            except OSError as error:
                os.close(self._handle)
                self._handle = None
                raise StoreError(
                    f"{self._path}: this file system has no locks ({error.strerror}); use --out"
                ) from error
        with contextlib.suppress(OSError):  # a full disk: who holds it is then not said
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()} on {platform.node()}".encode())

    def give(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class _Lease:
    """A file with a time in it. Of two runs that begin at once, whoever finds the other's after a pause stops."""

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._mine = uuid.uuid4().hex
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self) -> None:
        try:
            self._refuse()
            self._renew()
            time.sleep(random.SystemRandom().uniform(*PAUSE))  # another that began with this one shows itself
            self._refuse()
        except OSError as error:
            raise StoreError(f"{self._path.parent}: cannot be written: {str(error).splitlines()[0]}") from error
        self._thread = threading.Thread(target=self._beat, daemon=True, name="lease")
        self._thread.start()

    def give(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            with contextlib.suppress(OSError, ValueError):  # it grows old by itself
                if json.loads(self._path.read_text())["id"] == self._mine:
                    self._path.unlink(missing_ok=True)

    def _refuse(self) -> None:
        try:
            found = json.loads(self._path.read_text())
            holder, mine, renewed = str(found["holder"]), found["id"] == self._mine, float(found["time"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        if not mine and time.time() - renewed < 6 * BEAT:
            raise StoreError(_taken(str(self._path.parent), holder))

    def _renew(self) -> None:
        holder = f"{os.getpid()} on {platform.node()}"
        self._path.write_bytes(json.dumps({"id": self._mine, "holder": holder, "time": time.time()}).encode())

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                self._refuse()
                self._renew()
            except OSError:
                continue  # the store is away for a while; what is written meanwhile fails, and says so
            except StoreError:
                return  # it was away for so long that another run took over: files are whole, whoever writes them


def _taken(where: str, holder: str) -> str:
    return f"{where}: another run (process {holder}) is writing here; wait for it, or use --out"
