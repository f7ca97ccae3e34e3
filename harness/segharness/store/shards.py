"""The two files of a shard of a cell: predictions and images.

The images file is written last. A shard is done if both files exist and are intact, have the expected identity, and
hold no errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from segharness.digests import digest
from segharness.errors import SchemaError, StoreError, UsageError
from segharness.store.arrow_file import parse, read_regular
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath
from segharness.store.schemas import IMAGES, PREDICTIONS, metadata_of, upgrade, with_metadata


@dataclass(frozen=True)
class ShardFiles:
    """The paths of the two files of a shard."""

    predictions: StorePath
    images: StorePath


def table(schema: pa.Schema, rows: Mapping[str, Any]) -> pa.Table:
    """Return a table of `schema` from its columns, given by name."""
    return pa.table({field.name: pa.array(rows[field.name], field.type) for field in schema}, schema=schema)


def write_shard(
    files: ShardFiles,
    predictions: pa.Table,
    images: pa.Table,
    inputs: Mapping[str, Any],
    predictable: Collection[int] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write both files of a shard.

    Args:
        files: their paths.
        predictions, images: tables of `PREDICTIONS` and `IMAGES`.
        inputs: what the shard was made from; their digest is the shard's identity.
        predictable: the ids of the categories that the model has labels for; None if that is not known.
        facts: what the loaded model says of itself.

    Raises:
        OSError: a file cannot be written.
    """
    metadata: dict[str, Any] = {"identity": digest(inputs), "inputs": inputs}
    if predictable is not None:
        metadata["predictable"] = sorted(predictable)
    if facts:
        metadata["facts"] = dict(facts)
    predictions_data = _to_ipc(predictions, metadata)
    write_atomic(files.predictions, predictions_data)
    write_atomic(files.images, _to_ipc(images, {**metadata, "predictions": _digest(predictions_data)}))


def _to_ipc(content: pa.Table, metadata: Mapping[str, Any]) -> memoryview:
    schema = with_metadata(content.schema, {**metadata, "checksum": checksum(content)})
    return ipc_bytes(content.replace_schema_metadata(schema.metadata))


def _digest(data: bytes | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def ipc_bytes(content: pa.Table) -> memoryview:
    """Return a table as the bytes of an Arrow IPC file, zstd-compressed, in one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, content.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(content.combine_chunks())
    return memoryview(sink.getvalue())


def checksum(content: pa.Table) -> str:
    """Return a hash of a table's values. It does not depend on chunks, padding or compression."""
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


def read_table(path: StorePath, schema: pa.Schema, data: bytes | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table and the metadata of one file. A table of an older version is upgraded.

    Args:
        path: of the file.
        schema: the one it should have.
        data: its bytes, if they were already read.

    Raises:
        StoreError: the file is damaged (its checksum is wrong, or it cannot be read), or has other columns.
        SchemaError: a newer segharness wrote it.
    """
    try:
        content = parse(read_regular(path) if data is None else data, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error
    metadata = metadata_of(content.schema, str(path))
    content = content.replace_schema_metadata(None)
    try:
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
    """The verified content of both files of a shard, and the inputs that they were made from.

    `predictable` has the ids of the categories that the model has labels for; None if that is not known. `facts` is what
    the loaded model said of itself.
    """

    predictions: pa.Table
    images: pa.Table
    identity: str
    inputs: Mapping[str, Any]
    predictable: frozenset[int] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_shard(files: ShardFiles) -> StoredShard:
    """Read and verify both files: every byte of the predictions, every value of the images, and that they are a pair.

    Raises:
        StoreError: one of them is damaged, or they are not a pair.
        SchemaError: a newer segharness wrote them.
        FileNotFoundError: one of them is missing.
        UsageError: the store does not answer.
    """
    try:
        images_data = read_regular(files.images)
        predictions_data = read_regular(files.predictions)
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"{files.images}: cannot be read: {str(error).splitlines()[0]}"
        if isinstance(files.images, Path):
            raise StoreError(message) from error
        raise UsageError(message) from error  # a store that does not answer is not a damaged file
    images, metadata = read_table(files.images, IMAGES, images_data)
    if _digest(predictions_data) != metadata.get("predictions"):
        raise StoreError(f"{files.predictions}: damaged: its bytes are not those that were written with {files.images}")
    if not isinstance(metadata.get("inputs"), dict) or digest(metadata["inputs"]) != metadata.get("identity"):
        raise StoreError(f"{files.images}: damaged: its identity is not that of its inputs")
    predictions, _ = read_table(files.predictions, PREDICTIONS, predictions_data)
    predictable = metadata.get("predictable")
    if predictable is not None and not (isinstance(predictable, list) and all(type(id) is int for id in predictable)):
        raise StoreError(f"{files.images}: damaged: `predictable` is no list of ids of categories")
    return StoredShard(
        predictions,
        images,
        str(metadata.get("identity")),
        metadata.get("inputs") or {},
        None if predictable is None else frozenset(predictable),
        facts if isinstance(facts := metadata.get("facts"), dict) else {},
    )


@dataclass(frozen=True)
class ShardState:
    """The state of a shard on disk.

    Attributes:
        state: ``absent``, ``done``, ``failed`` (written, but with errors), ``damaged``, or ``stale`` (made from other
            inputs).
        detail: what is damaged, or the first error.
        inputs: those that a stale shard was made from.
    """

    state: str
    detail: str = ""
    inputs: Mapping[str, Any] | None = None


def shard_state(files: ShardFiles, identity: str) -> ShardState:
    """Return the state of a shard; both files are read and verified.

    Args:
        files: their paths.
        identity: the expected one.

    Raises:
        SchemaError: a newer segharness wrote them.
    """
    try:
        shard = read_shard(files)
    except FileNotFoundError:
        return ShardState("absent")
    except SchemaError:
        raise  # do not replace files of a newer segharness
    except StoreError as error:
        return ShardState("damaged", str(error))
    if shard.identity != identity:
        return ShardState("stale", inputs=shard.inputs)
    errors = shard.images.column("error").drop_null()
    if len(errors):
        return ShardState("failed", errors[0].as_py())
    return ShardState("done")
