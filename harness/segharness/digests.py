"""Digests of values, of files and of pixels."""

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
    """Return 128 bits of BLAKE2b over the canonical JSON of `inputs`, as hex."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, as hex."""
    stat = path.stat()
    return _file_digest(str(path), stat.st_mtime_ns, stat.st_size)


def content_digest(path: Path, files: Sequence[Path] | None = None) -> dict[str, str]:
    """Return the sha256 of a file, or a digest of a folder's files and their names below it; nothing else has content.

    Args:
        path: what a user named.
        files: those that count, where not all below a folder do, or more than the one file.
    """
    if files is None and path.is_file():
        return {"sha256": file_digest(path)}
    inside = sorted(path.rglob("*") if files is None else {path, *files} if path.is_file() else set(files))
    base = path.parent if path.is_file() else path
    return {
        "files": digest([[Path(os.path.relpath(p, base)).as_posix(), file_digest(p)] for p in inside if p.is_file()])
    }


@functools.lru_cache(maxsize=256)
def _file_digest(path: str, _mtime: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        state = hashlib.sha256()
        while block := file.read(1 << 20):
            state.update(block)
        return state.hexdigest()


def pixel_digest(pixels: Image) -> int:
    """Return 64 bits of BLAKE2b over the pixels: two runs that saw the same image have the same number."""
    return int.from_bytes(hashlib.blake2b(pixels.data, digest_size=8).digest(), "little")
