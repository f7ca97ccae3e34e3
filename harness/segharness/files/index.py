"""What was read of many annotation files, kept so that a data set opens at once; files that changed are read again."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import track

from segharness.digests import digest
from segharness.errors import DataError
from segharness.files.labelmap import Mask
from segharness.files.tree import File
from segharness.machine import cores
from segharness.store.atomic import write_atomic
from segharness.store.shards import ipc_bytes
from segharness.user.user_dirs import cache_folder

_VERSION = 2
_REREADING: ContextVar[bool] = ContextVar("rereading", default=False)
_MOST = 10
"""How many broken files a message lists."""
_FEW = 64
"""As many files are read without a word."""

_REGION = pa.struct(
    [
        ("kind", pa.string()),
        ("number", pa.int64()),
        ("category", pa.int32()),
        ("crowd", pa.bool_()),
        ("area", pa.int64()),
        ("bbox", pa.list_(pa.float64(), 4)),
        ("counts", pa.binary()),
    ]
)
_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("stamps", pa.list_(pa.int64())),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("digest", pa.string()),
        ("regions", pa.list_(_REGION)),
    ]
)


@dataclass(frozen=True)
class Region:
    """An annotated region.

    Attributes:
        number: what the file calls it.
        category: an id of the data set's.
        mask: its pixels.
        crowd: whether it is a group, or is to be ignored.
        kind: of the ground truth it belongs to, ``instances`` or ``void`` or ``panoptic``.
    """

    number: int
    category: int
    mask: Mask
    crowd: bool = False
    kind: str = "instances"


@dataclass(frozen=True)
class AnnotationEntry:
    """What one annotation file says: the size of its image, and its regions."""

    height: int
    width: int
    regions: Sequence[Region] = ()


@dataclass(frozen=True)
class AnnotationIndex:
    """The entries of a data set, in the order of its images.

    Attributes:
        sizes: (height, width) of each.
        digest: of all that they say; equal wherever the files say the same.
    """

    sizes: Sequence[tuple[int, int]]
    digest: str
    _regions: pa.ChunkedArray

    def annotations(self, kind: str, image_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the regions of a kind as COCO annotations, with ids from 1.

        Args:
            kind: of the ground truth.
            image_ids: of the entries, in their order.
        """
        found: list[dict[str, Any]] = []
        for image_id, (height, width), regions in zip(image_ids, self.sizes, self._each(), strict=True):
            for region in regions:
                if region["kind"] == kind:
                    found.append(
                        {
                            "id": len(found) + 1,
                            "image_id": image_id,
                            "category_id": region["category"],
                            "iscrowd": int(region["crowd"]),
                            "area": float(region["area"]),
                            "bbox": region["bbox"],
                            "segmentation": {"size": [height, width], "counts": region["counts"]},
                        }
                    )
        return found

    def _each(self) -> Iterator[list[dict[str, Any]]]:
        for chunk in self._regions.chunks:
            for first in range(0, len(chunk), 64):  # no more at once: the Python objects are many times as large
                yield from chunk.slice(first, 64).to_pylist()


@contextmanager
def rereading() -> Iterator[None]:
    """Read every file again, whatever was kept: to see whether all of them can be."""
    token = _REREADING.set(True)
    try:
        yield
    finally:
        _REREADING.reset(token)


def read_all(
    what: str,
    where: object,
    files: Mapping[str, Sequence[File]],
    read: Callable[[str], AnnotationEntry],
    version: object,
) -> AnnotationIndex:
    """Return the index of a data set: what `read` returns for each name, or what it returned before.

    It is kept in the cache folder (``~/.cache/segharness/index``). A name is read again when the size or stamp of one of
    its files changed; all of them are when `version` did.

    Args:
        what: is read, ``cityscapes/instances val``.
        where: the root of its files.
        files: those that the entry of a name is made from, by name, in the order of the images.
        read: makes the entry of a name; called from several threads.
        version: of `read`, and of whatever else decides what it returns: a text, a number, or a list of such.

    Raises:
        DataError: files are broken; the message names the first of them. What was read of the others is kept.
    """
    path = cache_folder() / "index" / digest([what, os.path.realpath(str(where))])
    key = digest([_VERSION, version])
    kept = _SCHEMA.empty_table() if _REREADING.get() else _read(path, key)
    rows = {name: row for row, name in enumerate(kept.column("name").to_pylist())}
    before = kept.column("stamps").to_pylist()
    stamps = {name: [n for file in parts for n in (file.size, _signed(file.stamp))] for name, parts in files.items()}
    todo = [name for name in files if name not in rows or before[rows[name]] != stamps[name]]
    fresh: list[dict[str, Any]] = []
    problems: list[str] = []
    for name, entry in zip(todo, _entries(what, todo, read), strict=True):
        if isinstance(entry, DataError):
            problems += entry.problems
            rows.pop(name, None)
        else:
            rows[name] = len(kept) + len(fresh)
            fresh.append({"name": name, "stamps": stamps[name], **_row(entry)})
    order = [rows[name] for name in files if name in rows]
    table = kept
    if fresh or order != list(range(len(kept))):
        table = pa.concat_tables([kept, pa.Table.from_pylist(fresh, schema=_SCHEMA)]).take(order).combine_chunks()
        _write(path, key, table)
    if problems:
        more = [f"{what}: and {len(problems) - _MOST} more broken files"] if len(problems) > _MOST else []
        raise DataError([*problems[:_MOST], *more])
    sizes = list(zip(table.column("height").to_pylist(), table.column("width").to_pylist(), strict=True))
    said = hashlib.sha256("".join(table.column("digest").to_pylist()).encode()).hexdigest()
    return AnnotationIndex(sizes, said, table.column("regions"))


def _entries(
    what: str, names: Sequence[str], read: Callable[[str], AnnotationEntry]
) -> Iterator[AnnotationEntry | DataError]:
    """Yield what `read` returns or complains of, in order; a few names are read ahead on every core."""

    def one(name: str) -> AnnotationEntry | DataError:
        try:
            return read(name)
        except DataError as error:
            return error

    def ahead() -> Iterator[AnnotationEntry | DataError]:
        waiting: deque[Future[AnnotationEntry | DataError]] = deque()
        with ThreadPoolExecutor(cores(), "index") as pool:
            for name in names:
                waiting.append(pool.submit(one, name))
                if len(waiting) > 4 * cores():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    console = Console(stderr=True)
    if len(names) > _FEW and not console.is_terminal:
        print(f"{what}: reading {len(names)} files for the first time, or because they changed", file=sys.stderr)
    shown = len(names) > _FEW and console.is_terminal
    yield from track(ahead(), f"{what}: index", len(names), console=console, transient=True, disable=not shown)


def _row(entry: AnnotationEntry) -> dict[str, Any]:
    regions = [
        {
            "kind": region.kind,
            "number": region.number,
            "category": region.category,
            "crowd": region.crowd,
            "area": region.mask.area,
            "bbox": region.mask.bbox,
            "counts": region.mask.counts,
        }
        for region in entry.regions
    ]
    said = hashlib.sha256(repr([entry.height, entry.width, regions]).encode()).hexdigest()
    return {"height": entry.height, "width": entry.width, "digest": said, "regions": regions}


def _signed(number: int) -> int:
    """Return a whole number of 64 bits, which the clock of some file systems leaves."""
    return (number + 2**63) % 2**64 - 2**63


_DIGEST = 16
"""Bytes of BLAKE2b that precede the Arrow file, over it and the key: what is not as it was written is not believed."""


def _seal(key: str, content: bytes | memoryview) -> bytes:
    state = hashlib.blake2b(key.encode(), digest_size=_DIGEST)
    state.update(content)
    return state.digest()


def _read(path: Path, key: str) -> pa.Table:
    """Return the index that was kept under a key; an empty one where there is none, or a damaged one."""
    try:
        raw = path.read_bytes()
    except OSError:
        return _SCHEMA.empty_table()
    if _seal(key, memoryview(raw)[_DIGEST:]) != raw[:_DIGEST]:
        return _SCHEMA.empty_table()
    return pa.ipc.open_file(pa.BufferReader(raw[_DIGEST:])).read_all()


def _write(path: Path, key: str, table: pa.Table) -> None:
    content = ipc_bytes(table)
    try:
        write_atomic(path, _seal(key, content) + bytes(content), durable=False)
    except OSError as error:
        print(f"warning: {path}: {error.strerror}: the files will be read again next time", file=sys.stderr)
