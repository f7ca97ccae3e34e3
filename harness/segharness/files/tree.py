"""The files of a data set by their names, whether they were unpacked or still lie in zip archives."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from segharness.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Source: TypeAlias = "Path | Callable[[], bytes | npt.NDArray[np.uint8]]"

_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError)
"""What zipfile raises: not a zip, an unknown compression, a password, a file that cannot be read or is cut off."""


@dataclass(frozen=True)
class File:
    """A file of a tree.

    Attributes:
        name: with ``/``, relative to the tree.
        size: bytes, unpacked.
        stamp: what changes when its content does: the time of change in ns of a file, the CRC-32 of a member.
        source: as `segharness.Sample` takes it: a path, or a function that returns the bytes.
    """

    name: str
    size: int
    stamp: int
    source: Source

    @property
    def place(self) -> str:
        """What messages call it."""
        return str(self.source) if isinstance(self.source, Path) else self.name

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            DataError: it cannot be read.
        """
        try:
            found = self.source.read_bytes() if isinstance(self.source, Path) else self.source()
        except OSError as error:
            raise DataError(f"{self.place}: cannot be read: {error.strerror or error}") from error
        assert isinstance(found, bytes)
        return found


class Tree:
    """A folder, or one zip archive, with the files of a data set.

    In a folder, what is not there as a file is looked for in the zip archives that lie directly in it, in the order of
    their names; members are read in place, from any thread.

    Args:
        root: the folder or archive.
        within: a folder that archives, or the root, may wrap all of it in: ``bdd100k``.

    Raises:
        DataError: there is no such folder or archive.
    """

    def __init__(self, root: str | Path, within: str = "") -> None:
        self.root = Path(root)
        self._within = f"{within.strip('/')}/" if within else ""
        self._members: dict[Path, dict[str, File]] = {}
        if self.root.is_file():
            self._archives = [self.root]
        elif self.root.is_dir():
            self._archives = sorted(p for p in self.root.glob("*.zip") if p.is_file())
        else:
            raise DataError(f"{self.root}: no such folder or zip archive")

    def __str__(self) -> str:
        return str(self.root)

    def files(self, under: str) -> dict[str, File]:
        """Return all files below a folder, by name, sorted; hidden ones left out. Nothing where there is no such folder."""
        under = under.strip("/")
        for folder in self._folders(under):
            if folder.is_dir():
                return dict(sorted((file.name, file) for file in _walk(folder, under)))
        for archive in self._archives:
            inside = {n: f for n, f in self._members_of(archive).items() if not under or n.startswith(f"{under}/")}
            if inside:
                return dict(sorted(inside.items()))
        return {}

    def find(self, name: str) -> File | None:
        """Return one file, or None."""
        for path in self._folders(name):
            try:
                stat = path.stat()
            except (OSError, ValueError):  # a name may hold what no file name can
                continue
            if path.is_file():
                return File(name, stat.st_size, stat.st_mtime_ns, path)
        for archive in self._archives:
            if (found := self._members_of(archive).get(name)) is not None:
                return found
        return None

    def has(self, under: str) -> bool:
        """Return whether there is a file or folder of that name."""
        return any(path.exists() for path in self._folders(under)) or any(
            name == under or name.startswith(f"{under}/")
            for archive in self._archives
            for name in self._members_of(archive)
        )

    def folders(self, under: str) -> list[str]:
        """Return the names of the folders directly in one."""
        depth = under.strip("/").count("/") + 1 if under.strip("/") else 0
        return sorted({n.split("/")[depth] for n in self.files(under) if n.count("/") > depth})

    def _folders(self, name: str) -> list[Path]:
        if self.root.is_file():
            return []
        return [self.root / name, *([self.root / self._within / name] if self._within else [])]

    def _members_of(self, archive: Path) -> dict[str, File]:
        if archive not in self._members:
            try:
                opened = zipfile.ZipFile(archive)
            except _BROKEN as error:
                raise DataError(f"{archive}: not a zip archive that can be read: {error}") from error
            infos = [info for info in opened.infolist() if not info.is_dir()]
            within = self._within
            if archive == self.root and not within:
                tops = {info.filename.split("/")[0] for info in infos if "/" in info.filename}
                within = f"{tops.pop()}/" if len(tops) == 1 else ""
            self._members[archive] = {
                name: File(name, info.file_size, info.CRC, _Member(archive, opened, info))
                for info in infos
                if not _hidden(name := info.filename.removeprefix(within))
            }
        return self._members[archive]


class _Member:
    """A member of an archive as a `segharness.Sample`'s source."""

    def __init__(self, archive: Path, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive, self._opened, self._info = archive, opened, info

    def __call__(self) -> bytes:
        try:
            return self._opened.read(self._info)
        except _BROKEN as error:
            raise OSError(f"{self._info.filename} in {self._archive}: {error}") from error


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _walk(folder: Path, under: str) -> Iterator[File]:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        name = f"{under}/{entry.name}" if under else entry.name
        if _hidden(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), name)
        elif entry.is_file():
            stat = entry.stat()
            yield File(name, stat.st_size, stat.st_mtime_ns, Path(entry.path))
