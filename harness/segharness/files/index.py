"""A cached index of many annotation files, so that a data set opens fast; files that changed are read again."""

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

from segharness.cpu_cores import cores
from segharness.digests import digest
from segharness.errors import DataError
from segharness.files.label_map import Mask
from segharness.files.tree import File
from segharness.store.atomic import write_atomic
from segharness.store.shards import ipc_bytes
from segharness.user.user_dirs import cache_folder

_VERSION = 2
_REREADING: ContextVar[bool] = ContextVar("rereading", default=False)
_MAX_PROBLEMS = 10
"""How many broken files a message lists."""
_SILENT = 64
"""Up to this number of files are read without a message."""

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
    """An annotated region of an image.

    Attributes:
        number: its number in the annotation file.
        category: the id of its category.
        mask: its pixels.
        crowd: whether it is a group of objects, or a region to ignore.
        kind: the kind of ground truth that it belongs to: ``instances``, ``void`` or ``panoptic``.
    """

    number: int
    category: int
    mask: Mask
    crowd: bool = False
    kind: str = "instances"


@dataclass(frozen=True)
class AnnotationEntry:
    """The content of one annotation file: the size of its image, and its regions."""

    height: int
    width: int
    regions: Sequence[Region] = ()


@dataclass(frozen=True)
class AnnotationIndex:
    """The annotations of all images of a data set, in the order of the images.

    Attributes:
        sizes: (height, width) of each image.
        digest: of all entries; the same content has the same digest in any folder.
    """

    sizes: Sequence[tuple[int, int]]
    digest: str
    _regions: pa.ChunkedArray

    def annotations(self, kind: str, image_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the regions of a kind as COCO annotations, with ids from 1.

        Args:
            kind: the kind of ground truth.
            image_ids: the id of each image, in order.
        """
        annotations: list[dict[str, Any]] = []
        for image_id, (height, width), regions in zip(image_ids, self.sizes, self._regions_by_image(), strict=True):
            for region in regions:
                if region["kind"] == kind:
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": image_id,
                            "category_id": region["category"],
                            "iscrowd": int(region["crowd"]),
                            "area": float(region["area"]),
                            "bbox": region["bbox"],
                            "segmentation": {"size": [height, width], "counts": region["counts"]},
                        }
                    )
        return annotations

    def _regions_by_image(self) -> Iterator[list[dict[str, Any]]]:
        for chunk in self._regions.chunks:
            for first in range(0, len(chunk), 64):  # in slices: the Python objects are many times as large
                yield from chunk.slice(first, 64).to_pylist()


@contextmanager
def rereading() -> Iterator[None]:
    """Ignore kept indices in this context, so that `read_index` reads every file again."""
    token = _REREADING.set(True)
    try:
        yield
    finally:
        _REREADING.reset(token)


def read_index(
    title: str,
    root: object,
    files: Mapping[str, Sequence[File]],
    read: Callable[[str], AnnotationEntry],
    version: object,
) -> AnnotationIndex:
    """Return the index of a data set: what `read` returns for each name, or what it returned earlier.

    The index is kept in the cache folder (``~/.cache/segharness/index``). A name is read again if the size or stamp of
    one of its files changed; all names are read again if `version` changed.

    Args:
        title: the name of the data set and part, ``cityscapes/instances val``; for messages and the cache key.
        root: the root of the files, for the cache key.
        files: by name, the files that its entry is made from; in the order of the images.
        read: returns the entry of a name, or raises DataError; called from several threads.
        version: of `read` and of all else that its result depends on: a text, a number, or a list of these.

    Raises:
        DataError: files are broken; the message lists the first ten. The index keeps what was read of the others.
    """
    path = cache_folder() / "index" / digest([title, os.path.realpath(str(root))])
    key = digest([_VERSION, version])
    kept = _SCHEMA.empty_table() if _REREADING.get() else _read(path, key)
    rows = {name: row for row, name in enumerate(kept.column("name").to_pylist())}
    before = kept.column("stamps").to_pylist()
    stamps = {name: [n for file in parts for n in (file.size, _signed(file.stamp))] for name, parts in files.items()}
    todo = [name for name in files if name not in rows or before[rows[name]] != stamps[name]]
    fresh: list[dict[str, Any]] = []
    problems: list[str] = []
    for name, entry in zip(todo, _entries(title, todo, read), strict=True):
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
        more = (
            [f"{title}: and {len(problems) - _MAX_PROBLEMS} more broken files"] if len(problems) > _MAX_PROBLEMS else []
        )
        raise DataError([*problems[:_MAX_PROBLEMS], *more])
    sizes = list(zip(table.column("height").to_pylist(), table.column("width").to_pylist(), strict=True))
    content_digest = hashlib.sha256("".join(table.column("digest").to_pylist()).encode()).hexdigest()
    return AnnotationIndex(sizes, content_digest, table.column("regions"))


def _entries(
    what: str, names: Sequence[str], read: Callable[[str], AnnotationEntry]
) -> Iterator[AnnotationEntry | DataError]:
    """Yield for each name the entry or the DataError of `read`, in order; a few names per core are read ahead."""

    def read_one(name: str) -> AnnotationEntry | DataError:
        try:
            return read(name)
        except DataError as error:
            return error

    def read_ahead() -> Iterator[AnnotationEntry | DataError]:
        pending: deque[Future[AnnotationEntry | DataError]] = deque()
        with ThreadPoolExecutor(cores(), "index") as pool:
            for name in names:
                pending.append(pool.submit(read_one, name))
                if len(pending) > 4 * cores():
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    console = Console(stderr=True)
    if len(names) > _SILENT and not console.is_terminal:
        print(f"{what}: reading {len(names)} files for the first time, or because they changed", file=sys.stderr)
    shown = len(names) > _SILENT and console.is_terminal
    yield from track(read_ahead(), f"{what}: index", len(names), console=console, transient=True, disable=not shown)


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
    entry_digest = hashlib.sha256(repr([entry.height, entry.width, regions]).encode()).hexdigest()
    return {"height": entry.height, "width": entry.width, "digest": entry_digest, "regions": regions}


def _signed(number: int) -> int:
    """Return a whole number wrapped to signed 64 bits; the clock of some file systems exceeds them."""
    return (number + 2**63) % 2**64 - 2**63


_DIGEST = 16
"""Bytes of the BLAKE2b digest of key and Arrow file, before the file; a file that does not match it is ignored."""


def _seal(key: str, content: bytes | memoryview) -> bytes:
    state = hashlib.blake2b(key.encode(), digest_size=_DIGEST)
    state.update(content)
    return state.digest()


def _read(path: Path, key: str) -> pa.Table:
    """Return the index that was kept under a key; an empty index if there is none, or it is damaged."""
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
