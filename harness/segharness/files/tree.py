"""The files of a data set by name, whether they are unpacked or in zip archives."""

from __future__ import annotations

import contextlib
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from segharness.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Source: TypeAlias = "Path | Callable[[], bytes | npt.NDArray[np.uint8]]"
"""The source of a `segharness.Sample`: a path, or a function that returns the bytes or the pixels."""

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError, ValueError)
"""What zipfile raises if an archive is no zip, damaged, cut off, encrypted, unreadable or of an unknown compression."""


@dataclass(frozen=True)
class File:
    """A file of a tree.

    Attributes:
        name: its path relative to the tree, with ``/``.
        size: its unpacked size in bytes.
        stamp: a number that changes with its content: the modification time in ns of a file, the CRC-32 of a member.
        source: the path of a file, or for a member of an archive a function that returns the bytes.
    """

    name: str
    size: int
    stamp: int
    source: Source

    @property
    def shown(self) -> str:
        """Its path, or the name of a member, for messages."""
        return str(self.source) if isinstance(self.source, Path) else self.name

    def read(self) -> bytes:
        """Return its content.

        Raises:
            DataError: it cannot be read.
        """
        try:
            content = self.source.read_bytes() if isinstance(self.source, Path) else self.source()
        except OSError as error:
            raise DataError(f"{self.shown}: cannot be read: {error.strerror or error}") from error
        assert isinstance(content, bytes)
        return content


class Tree:
    """A folder, or one zip archive, with the files of a data set.

    If a folder lacks a file, the zip archives directly in it are searched, in the order of their names. Members are
    read without unpacking the archive, and from any thread. If the root is an archive and everything in it lies in one
    folder, names are relative to that folder.

    Args:
        root: the folder or archive.
        within: a folder inside the root or the archives that may hold all files, ``bdd100k``; names are relative to it.

    Raises:
        DataError: there is no such folder or archive.

    Example::

        tree = Tree("bdd100k.zip", within="bdd100k")
        images = tree.files("images/10k/val")
    """

    def __init__(self, root: str | Path, within: str = "") -> None:
        self.root = Path(root)
        self._within = f"{within.strip('/')}/" if within else ""
        self._members: dict[Path, dict[str, File]] = {}
        self._unreadable: dict[Path, str] = {}
        if self.root.is_file():
            self._archives = [self.root]
        elif self.root.is_dir():
            self._archives = sorted(p for p in self.root.glob("*.zip") if p.is_file())
        else:
            raise DataError(f"{self.root}: no such folder or zip archive")

    def __str__(self) -> str:
        return str(self.root)

    def files(self, under: str) -> dict[str, File]:
        """Return all files below a folder by name, sorted and without hidden files; nothing if there is no such folder.

        Raises:
            DataError: nothing was found and an archive cannot be read, or a folder or a file name cannot be read.
        """
        under = under.strip("/")
        files: dict[str, File] = {}
        for folder in self._folders(under):
            if folder.is_dir():
                for file in _walk(folder, under):
                    files.setdefault(file.name, file)
        for archive in self._archives:
            for name, file in self._members_of(archive).items():
                if not under or name.startswith(f"{under}/"):
                    files.setdefault(name, file)
        self._complain_unless(bool(files))
        return dict(sorted(files.items()))

    def find(self, name: str) -> File | None:
        """Return one file, or None if there is none.

        Raises:
            DataError: it was not found, and an archive that may hold it cannot be read.
        """
        for path in self._folders(name):
            try:
                stat = path.stat()
            except (OSError, ValueError):  # a name may hold characters that no file name can
                continue
            if path.is_file():
                return File(name, stat.st_size, stat.st_mtime_ns, path)
        for archive in self._archives:
            if (file := self._members_of(archive).get(name)) is not None:
                return file
        self._complain_unless(False)
        return None

    def _complain_unless(self, found: bool) -> None:
        """Raise DataError if nothing was found and an archive that may hold it could not be read."""
        if not found and self._unreadable:
            raise DataError(list(self._unreadable.values()))

    def folders(self, under: str) -> list[str]:
        """Return the sorted names of the folders directly in a folder, those that hold files.

        Raises:
            DataError: as `files`.
        """
        depth = under.strip("/").count("/") + 1 if under.strip("/") else 0
        return sorted({n.split("/")[depth] for n in self.files(under) if n.count("/") > depth})

    def _folders(self, name: str) -> list[Path]:
        if self.root.is_file() or any(part in (".", "..") for part in name.split("/")):
            return []
        return [self.root / name, *([self.root / self._within / name] if self._within else [])]

    def _members_of(self, archive: Path) -> dict[str, File]:
        if archive not in self._members:
            try:
                opened = zipfile.ZipFile(archive)
            except _BROKEN as error:
                self._unreadable[archive] = f"{archive}: not a zip archive that can be read: {error}"
                self._members[archive] = {}
                return {}
            infos = [(_name(info), info) for info in opened.infolist() if not info.is_dir()]
            within = self._within
            if archive == self.root and not within:
                tops = {name.partition("/")[:2] for name, _ in infos if not _hidden(name)}
                folder, slash = tops.pop() if len(tops) == 1 else ("", "")  # a lone file is no folder
                within = f"{folder}/" if slash else ""
            self._members[archive] = {
                name: File(name, info.file_size, info.CRC, _Member(archive, opened, info))
                for name, info in ((whole.removeprefix(within), info) for whole, info in infos)
                if not _hidden(name)
            }
        return self._members[archive]


class _Member:
    """A member of an archive, as the source of a `segharness.Sample`."""

    def __init__(self, archive: Path, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive, self._opened, self._info = archive, opened, info

    def __call__(self) -> bytes:
        try:
            return self._opened.read(self._info)
        except _BROKEN as error:
            why = "it is encrypted" if self._info.flag_bits & 1 else error
            raise OSError(f"{self._info.filename} in {self._archive}: {why}") from error


def _name(info: zipfile.ZipInfo) -> str:
    """Return the name of a member, with ``/``; programs of Windows may write backslashes.

    macOS writes names in UTF-8 and does not say so; zipfile then reads them as cp437.
    """
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _walk(folder: Path, under: str) -> Iterator[File]:
    try:
        with os.scandir(folder) as scanned:
            entries = [entry for entry in scanned if not _hidden(entry.name)]
        for entry in entries:
            name = f"{under}/{entry.name}" if under else entry.name
            if not _is_utf8(name):
                raise DataError(f"{folder}: the name {os.fsencode(entry.name)!r} is not UTF-8")
            if entry.is_dir():
                yield from _walk(Path(entry.path), name)
            elif entry.is_file():
                stat = entry.stat()
                yield File(name, stat.st_size, stat.st_mtime_ns, Path(entry.path))
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read: {error.strerror}") from error


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
