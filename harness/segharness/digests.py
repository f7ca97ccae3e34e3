"""Digests of values, files and pixels."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segharness.records import Image


def digest(inputs: Any) -> str:
    """Return 128 bits of BLAKE2b over the canonical JSON of `inputs`, as hex.

    Example:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, as hex. It is computed again only if the file's size or time changes.

    Example:
        >>> file_digest(Path(__file__)) == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        True
    """
    stat = path.stat()
    return _file_digest(str(path), stat.st_mtime_ns, stat.st_size)


def content_digest(path: Path, files: Sequence[Path] | None = None) -> dict[str, str]:
    """Return the digest of a file or folder, for identities. Anything else counts as an empty folder.

    Args:
        path: the file or folder that a user named.
        files: the files that count, if not all files of a folder do, or more than the one file.

    Returns:
        ``{"sha256": ...}`` for a file; ``{"files": ...}``, a digest of names and contents, for a folder or for `files`.

    Example:
        >>> list(content_digest(Path(__file__))), list(content_digest(Path(__file__).parent / "cli"))
        (['sha256'], ['files'])
    """
    if files is None and path.is_file():
        return {"sha256": file_digest(path)}
    paths = sorted(path.rglob("*") if files is None else {path, *files} if path.is_file() else set(files))
    base = path.parent if path.is_file() else path
    return {
        "files": digest([[Path(os.path.relpath(p, base)).as_posix(), file_digest(p)] for p in paths if p.is_file()])
    }


@functools.lru_cache(maxsize=256)
def _file_digest(path: str, _mtime: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        state = hashlib.sha256()
        while block := file.read(1 << 20):
            state.update(block)
        return state.hexdigest()


def pixel_digest(pixels: Image) -> int:
    """Return 64 bits of BLAKE2b over the pixels of an image, which tell whether two runs had the same image.

    Example:
        >>> import numpy as np
        >>> pixel_digest(np.zeros((2, 2, 3), np.uint8)) != pixel_digest(np.ones((2, 2, 3), np.uint8))
        True
    """
    return int.from_bytes(hashlib.blake2b(pixels.data, digest_size=8).digest(), "little")
