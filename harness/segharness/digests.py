"""Digests of values and of files."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any


def digest(inputs: Any) -> str:
    """Return 128 bits of BLAKE2b over the canonical JSON of `inputs`, as hex."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, as hex."""
    stat = path.stat()
    return _file_digest(str(path), stat.st_mtime_ns, stat.st_size)


def content_digest(path: Path) -> dict[str, str]:
    """Return the sha256 of a file, or a digest of a folder's files and their names below it; nothing else has content."""
    if path.is_file():
        return {"sha256": file_digest(path)}
    inside = sorted(p for p in path.rglob("*") if p.is_file())
    return {"files": digest([[str(p.relative_to(path)), file_digest(p)] for p in inside])}


@functools.lru_cache(maxsize=256)
def _file_digest(path: str, _mtime: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        state = hashlib.sha256()
        while block := file.read(1 << 20):
            state.update(block)
        return state.hexdigest()
