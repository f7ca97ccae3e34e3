"""The two files of one model, data set, condition and shard: predictions, and images.

The images file is written last; a shard is there when both are, with the identity that is asked for, intact and
without errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.errors import SchemaError, StoreError, UsageError
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath
from segharness.store.schemas import IMAGES, PREDICTIONS, metadata_of, upgrade, with_metadata


@dataclass(frozen=True)
class ShardFiles:
    """Where a shard's two files lie."""

    predictions: StorePath
    images: StorePath


def table(schema: pa.Schema, rows: Mapping[str, Any]) -> pa.Table:
    """Return the columns of `rows` as a table of `schema`."""
    return pa.table({field.name: pa.array(rows[field.name], field.type) for field in schema}, schema=schema)


def write_shard(
    files: ShardFiles, predictions: pa.Table, images: pa.Table, inputs: Mapping[str, Any], identity: str
) -> None:
    """Write both files of a shard.

    Args:
        files: where.
        predictions, images: tables of `PREDICTIONS` and `IMAGES`.
        inputs: what the shard was made from; `identity` is their hash.
    """
    made_from = {"identity": identity, "inputs": inputs}
    first = _stamped(predictions, made_from)
    write_atomic(files.predictions, first)
    write_atomic(files.images, _stamped(images, {**made_from, "predictions": _digest(first)}))


def _stamped(content: pa.Table, metadata: Mapping[str, Any]) -> memoryview:
    schema = with_metadata(content.schema, {**metadata, "checksum": checksum(content)})
    return ipc_bytes(content.replace_schema_metadata(schema.metadata))


def _digest(data: bytes | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def ipc_bytes(content: pa.Table) -> memoryview:
    """Return a table as an Arrow IPC file, zstd-compressed, in one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, content.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(content.combine_chunks())
    return memoryview(sink.getvalue())


def checksum(content: pa.Table) -> str:
    """Return a hash of a table's values, whatever its chunks, padding and compression."""
    state = hashlib.blake2b(digest_size=16)
    for name in content.schema.names:
        column = content.column(name).combine_chunks()
        state.update(column.is_null().to_numpy(zero_copy_only=False).tobytes())
        if pa.types.is_fixed_size_list(column.type):
            column = column.flatten()
        if pa.types.is_binary(column.type) or pa.types.is_string(column.type):
            values = [v if isinstance(v, bytes) else v.encode() for v in column.drop_null().to_pylist()]
            state.update(str([len(value) for value in values]).encode())
            state.update(b"".join(values))
        else:
            state.update(column.fill_null(0).to_numpy(zero_copy_only=False).tobytes())
    return state.hexdigest()


def read_arrow(path: StorePath) -> pa.Table:
    """Return the rows of an Arrow IPC file; raises what pyarrow raises."""
    if isinstance(path, Path):
        with pa.OSFile(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    return pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()


def read_table(path: StorePath, schema: pa.Schema, data: bytes | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows and metadata of one file; those of an older version as the current one has them.

    Args:
        path: of the file.
        schema: what it should have.
        data: its bytes, if they were read already.

    Raises:
        StoreError: the file is damaged (its checksum is wrong, or it cannot be read), or is not of `schema`.
    """
    try:
        content = read_arrow(path) if data is None else pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(f"{path}: damaged: {str(error).splitlines()[0]}") from error
    metadata = metadata_of(content.schema, str(path))
    content = content.replace_schema_metadata(None)
    try:
        content.validate(full=True)
        intact = metadata.get("checksum") == checksum(content)
        current = upgrade(content, schema, metadata["schema_version"]) if content.schema != schema else content
    except KeyError:
        raise StoreError(f"{path}: has the columns {content.schema.names}, not {schema.names}") from None
    except (pa.ArrowException, ValueError) as error:
        raise StoreError(f"{path}: damaged: {str(error).splitlines()[0]}") from error
    if not intact:
        raise StoreError(f"{path}: damaged: its checksum does not match its content")
    return current, metadata


@dataclass(frozen=True)
class StoredShard:
    """The verified content of both files of a shard, and what they were made from."""

    predictions: pa.Table
    images: pa.Table
    identity: str
    inputs: Mapping[str, Any]


def read_shard(files: ShardFiles) -> StoredShard:
    """Read and verify both files: every byte of the predictions, every value of the images, and that they are a pair.

    Raises:
        StoreError: one of them is damaged, or they are not a pair.
        FileNotFoundError: one of them is missing.
    """
    try:
        written = files.images.read_bytes()
        data = files.predictions.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        what = f"{files.images}: cannot be read: {str(error).splitlines()[0]}"
        if isinstance(files.images, Path):
            raise StoreError(what) from error
        raise UsageError(what) from error  # a store that does not answer is no damaged file
    images, metadata = read_table(files.images, IMAGES, written)
    if _digest(data) != metadata.get("predictions"):
        raise StoreError(f"{files.predictions}: damaged: its bytes are not those that were written with {files.images}")
    predictions, _ = read_table(files.predictions, PREDICTIONS, data)
    return StoredShard(predictions, images, str(metadata.get("identity")), metadata.get("inputs") or {})


@dataclass(frozen=True)
class ShardState:
    """What is on disk for a shard.

    Attributes:
        state: ``absent``, ``done``, ``failed`` (written, but with errors), ``damaged``, ``stale`` (made from other inputs).
        detail: what is damaged, or the first error.
        inputs: what a stale shard was made from.
    """

    state: str
    detail: str = ""
    inputs: Mapping[str, Any] | None = None


def shard_state(files: ShardFiles, identity: str) -> ShardState:
    """Look at both files of a shard, and verify them."""
    try:
        shard = read_shard(files)
    except FileNotFoundError:
        return ShardState("absent")
    except SchemaError:
        raise  # of a newer segharness: not ours to replace
    except StoreError as error:
        return ShardState("damaged", str(error))
    if shard.identity != identity:
        return ShardState("stale", inputs=shard.inputs)
    errors = shard.images.column("error").drop_null()
    if len(errors):
        return ShardState("failed", errors[0].as_py())
    return ShardState("done")
