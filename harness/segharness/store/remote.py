"""Paths on an object store or another file system that pyarrow knows: ``s3://``, ``gs://``.

`RemotePath` has the part of `pathlib.Path` that segharness uses, so other code need not know where a run is stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from pyarrow import ArrowException, fs

from segharness.errors import StoreError

_ATTEMPTS = 5
"""How often a request to a store is tried, with growing pauses: some seconds in all."""


class RemotePath:
    """A file or folder at a URL.

    A write is one put, so a file is whole or absent. Folders need not be created.

    Args:
        url: as on the command line and in messages; options of the store follow a ``?``.
        system: the `pyarrow.fs.FileSystem` that holds it.
        path: its path there.
    """

    def __init__(self, url: str, system: Any, path: str) -> None:
        self._url, self._system, self._path = url, system, path

    def __str__(self) -> str:
        return self._url

    def __repr__(self) -> str:
        return f"RemotePath({self._url!r})"

    def __fspath__(self) -> str:
        raise TypeError(f"{self._url} is no local file")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)

    def __truediv__(self, name: str | Path) -> RemotePath:
        base, mark, options = self._url.partition("?")
        return RemotePath(f"{base.rstrip('/')}/{name}{mark}{options}", self._system, f"{self._path}/{name}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        """The folder that holds it."""
        base, mark, options = self._url.partition("?")
        return RemotePath(f"{base.rpartition('/')[0]}{mark}{options}", self._system, self._path.rpartition("/")[0])

    def with_name(self, name: str) -> RemotePath:
        """Return the path of that name in the same folder."""
        return self.parent / name

    def absolute(self) -> RemotePath:
        """Return the path itself: URLs are absolute."""
        return self

    def resolve(self) -> RemotePath:
        """Return the path itself: stores have no links."""
        return self

    def is_file(self) -> bool:
        """Return whether there is a file."""
        return bool(self._info().type == fs.FileType.File)

    def is_dir(self) -> bool:
        """Return whether there is a folder."""
        return bool(self._info().type == fs.FileType.Directory)

    def read_bytes(self) -> bytes:
        """Return the content of a file."""
        with self._system.open_input_file(self._path) as file:
            return bytes(file.read())

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content of a file as a string."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Write a file, whole or not at all."""
        with self._system.open_output_stream(self._path) as file:
            file.write(data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: there is none, unless `missing_ok`.
        """
        try:
            self._system.delete_file(self._path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self) -> None:
        """Delete a folder and everything in it, if it exists."""
        if self.is_dir():
            self._system.delete_dir(self._path)

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """Yield the files directly in a folder whose names match, sorted."""
        infos = self._system.get_file_info(fs.FileSelector(self._path, allow_not_found=True))
        for info in sorted(infos, key=lambda info: str(info.path)):
            path = self / info.base_name
            if Path(info.base_name).match(pattern):
                yield path

    def _info(self) -> Any:
        try:
            return self._system.get_file_info(self._path)
        except OSError as error:
            raise StoreError(f"{self._url}: the store does not answer: {str(error).splitlines()[0]}") from error


StorePath: TypeAlias = Path | RemotePath
"""A file or folder of a run: on this machine, or on a store."""


def store_path(text: str | os.PathLike[str] | RemotePath) -> StorePath:
    """Return the path that a text names: a file or folder of this machine (also ``file:///``), or a URL.

    Raises:
        StoreError: the URL is of a kind that pyarrow does not know, or its options are wrong.

    Example:
        >>> store_path("runs/robustness").name
        'robustness'
    """
    if isinstance(text, RemotePath):
        return text
    url = os.fspath(text)
    if "://" not in url:
        return Path(url)
    if url.startswith("file://"):
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or parts.query:
            raise StoreError(f"{url}: write file:///folder, with the whole path and no options")
        return Path(unquote(parts.path))
    system, path = _system(url)
    if not path.strip("/"):
        raise StoreError(f"{url}: not a place that can be written to: it names no bucket")
    return RemotePath(url, system, path.rstrip("/"))


@lru_cache(maxsize=64)
def _system(url: str) -> tuple[Any, str]:
    try:
        system, path = fs.FileSystem.from_uri(url)
    except (ArrowException, ValueError, OSError) as error:
        raise StoreError(f"{url}: not a place that can be written to: {str(error).splitlines()[0]}") from error
    return _impatient(system), str(path)


def _impatient(system: Any) -> Any:
    """Return a file system that gives up a request after a few seconds; one made from a URL tries 31 times."""
    if not isinstance(system, fs.S3FileSystem):
        return system
    settings: dict[str, Any] = system.__reduce__()[1][0]
    given = {key: value for key, value in settings.items() if value not in ("", None, False, -1.0)}
    if "role_arn" not in given:
        given.pop("load_frequency", None)
    if not (given.get("proxy_options") or {}).get("host"):
        given.pop("proxy_options", None)
    return fs.S3FileSystem(**given, retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS))
