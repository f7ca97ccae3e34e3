"""Reads Arrow files that may come from anybody: bounded before anything is inflated, validated before it is touched.

An Arrow IPC file is a stream of messages between a magic word and a footer. The messages are read in order, and the
footer is not used, so what is checked is what is read. Every record batch says how large its buffers are when they are
inflated; these sizes are added up first.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from segharness.errors import StoreError
from segharness.store.remote import StorePath

_MAGIC = b"ARROW1\0\0"
_END = b"ARROW1"
_MIB = 1 << 20

VARIABLE = "SEGHARNESS_MAX_FILE_MIB"
"""The environment variable that sets `Limits.inflated`, in MiB."""

_FREE = 16 * _MIB
"""Up to this size a file may inflate by any factor."""
_MOST_INFLATION = 500
"""A larger file inflates by at most this factor; real ones by about 50."""


@dataclass(frozen=True)
class Limits:
    """What a file may be.

    Attributes:
        inflated: bytes of all its buffers, inflated.
        rows: of its table.
    """

    inflated: int = 1024 * _MIB
    rows: int = 50_000_000

    @classmethod
    def of_process(cls, rows: int = 50_000_000) -> Limits:
        """Return the default limits, or those that the environment sets.

        Raises:
            StoreError: the environment's value is not a number.
        """
        text = os.environ.get(VARIABLE, "")
        if text and not (text.isascii() and text.isdigit() and 0 < int(text) <= 1 << 30):
            raise StoreError(f"{VARIABLE} is {text!r:.40}, not a number of MiB")
        return cls(int(text) * _MIB if text else cls.inflated, rows)


def read_regular(path: StorePath, limits: Limits | None = None) -> bytes:
    """Return the bytes of a file.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it is a pipe, a device or a folder, or is larger than the limit.
        OSError: it cannot be read.
    """
    limits = limits or Limits.of_process()
    if not isinstance(path, Path):
        return path.read_bytes()
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer does not block
    with os.fdopen(handle, "rb") as file:
        if not path.is_file():
            raise StoreError(f"{path}: not a regular file")
        size = os.fstat(handle).st_size
        if size > limits.inflated:
            raise StoreError(f"{path}: has {size >> 20:,} MiB{_advice(limits)}")
        return file.read()


def parse(data: bytes | memoryview, file: object, limits: Limits | None = None) -> pa.Table:
    """Return the table of an Arrow IPC file, validated.

    Args:
        data: the bytes of the file.
        file: its path, for messages.
        limits: those of the process by default.

    Raises:
        StoreError: it is no Arrow file, is damaged, has columns of types that segharness does not write, or is larger
            than the limits. Nothing was inflated then, unless the damage lies in the values.
    """
    limits = limits or Limits.of_process()
    if bytes(data[: len(_MAGIC)]) != _MAGIC:
        raise StoreError(f"{file}: not an Arrow file, or damaged")
    try:
        end, rows, inflated = _measured(data)
    except (struct.error, IndexError, ValueError) as error:
        raise StoreError(f"{file}: not an Arrow file, or damaged: {str(error).splitlines()[0]}") from error
    if rows > limits.rows:
        raise StoreError(f"{file}: has {rows:,} rows; at most {limits.rows:,} are read")
    if inflated > limits.inflated or (inflated > _FREE and inflated > _MOST_INFLATION * len(data)):
        raise StoreError(f"{file}: would inflate from {len(data):,} bytes to {inflated >> 20:,} MiB{_advice(limits)}")
    try:
        with pa.ipc.open_stream(pa.py_buffer(data)[len(_MAGIC) : end]) as reader:
            if (wrong := next((field for field in reader.schema if not _is_written(field.type)), None)) is not None:
                raise StoreError(f"{file}: column `{wrong.name!s:.60}` has the type {wrong.type!s:.60}")
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(f"{file}: damaged: {str(error).splitlines()[0][:200]}") from error
    return table


def read_arrow(path: StorePath, limits: Limits | None = None) -> pa.Table:
    """Return the table of an Arrow IPC file, validated. Raises what `read_regular` and `parse` raise."""
    return parse(read_regular(path, limits), path, limits)


def _advice(limits: Limits) -> str:
    return f"; at most {limits.inflated >> 20:,} MiB are read: set {VARIABLE} if you trust the file"


def _is_written(kind: pa.DataType) -> bool:
    """Return whether a type is one of those that segharness's files have had."""
    types = pa.types
    if types.is_fixed_size_list(kind):
        is_number = types.is_floating(kind.value_type) or types.is_int32(kind.value_type)
        return bool(is_number) and kind.list_size <= 1 << 20
    checks = (types.is_integer, types.is_floating, types.is_string, types.is_binary)
    return any(check(kind) for check in checks)


# ------------------------------------------------------------------------------------------------------- messages

_SCHEMA, _RECORD_BATCH = 1, 3
"""The kinds of messages of Message.fbs that segharness writes; dictionaries are none of them."""


def _measured(data: bytes | memoryview) -> tuple[int, int, int]:
    """Return where the messages end, their rows, and the bytes of their buffers when inflated."""
    position, rows, inflated, first = len(_MAGIC), 0, 0, True
    while True:
        (mark,) = struct.unpack_from("<i", data, position)
        (length,) = struct.unpack_from("<i", data, position + 4)
        if mark != -1:
            raise ValueError("a message does not begin where it should")
        position += 8
        if length == 0:
            (footer,) = struct.unpack_from("<i", data, len(data) - len(_END) - 4)
            if bytes(data[-len(_END) :]) != _END or position + footer + 4 + len(_END) != len(data):
                raise ValueError("it has no end")
            return position, rows, inflated
        if length < 0 or position + length > len(data):
            raise ValueError("a message is longer than the file")
        message = memoryview(data)[position : position + length]
        position += length
        kind, header, body_length = _message(message)
        if kind != (_SCHEMA if first else _RECORD_BATCH):
            raise ValueError("a message is of a kind that is not written")
        if body_length < 0 or position + body_length > len(data):
            raise ValueError("a batch is longer than the file")
        if not first:
            count, size = _batch(message, header, memoryview(data)[position : position + body_length])
            rows, inflated = rows + count, inflated + size
        position += body_length
        first = False


def _message(message: memoryview) -> tuple[int, int, int]:
    """Return the kind of a message, the position of its header, and the length of its body."""
    (table,) = struct.unpack_from("<I", message, 0)
    kind, header, length = (_field(message, table, index) for index in (1, 2, 3))
    if kind is None or header is None:
        raise ValueError("a message has no header")
    (offset,) = struct.unpack_from("<I", message, header)
    body_length = struct.unpack_from("<q", message, length)[0] if length is not None else 0
    return message[kind], header + offset, body_length


def _batch(message: memoryview, table: int, body: memoryview) -> tuple[int, int]:
    """Return the rows of a record batch, and the bytes of its buffers when inflated."""
    length, buffers, compression = (_field(message, table, index) for index in (0, 2, 3))
    rows = struct.unpack_from("<q", message, length)[0] if length is not None else 0
    if rows < 0:
        raise ValueError("a batch has a negative number of rows")
    if buffers is None:
        return rows, 0
    (offset,) = struct.unpack_from("<I", message, buffers)
    start = buffers + offset
    (count,) = struct.unpack_from("<I", message, start)
    if count * 16 > len(message):
        raise ValueError("a batch has more buffers than room for them")
    inflated = 0
    for number in range(count):
        at, size = struct.unpack_from("<qq", message, start + 4 + 16 * number)
        if at < 0 or size < 0 or at + size > len(body):
            raise ValueError("a buffer lies outside of its batch")
        if compression is not None and size >= 8:
            (stated,) = struct.unpack_from("<q", body, at)
            if stated < -1:
                raise ValueError("a buffer has a negative size")
            size = size - 8 if stated == -1 else stated
        inflated += size
    return rows, inflated


def _field(message: memoryview, table: int, index: int) -> int | None:
    """Return the position of a field of a flatbuffers table, or None if the table does not have it."""
    (back,) = struct.unpack_from("<i", message, table)
    vtable = table - back
    if vtable < 0:
        raise ValueError("a table lies outside of its message")
    (size,) = struct.unpack_from("<H", message, vtable)
    entry = 4 + 2 * index
    if entry + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", message, vtable + entry)
    return table + offset if offset else None
