"""resamples.arrow: the numbers of results.arrow on every bootstrap resample, for comparisons and stored references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segharness.errors import StoreError
from segharness.store.arrow_file import read_arrow
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath
from segharness.store.results import rows_checksum
from segharness.store.schemas import MIGRATIONS, SCHEMA_VERSION, metadata_of, with_metadata
from segharness.store.shards import checksum, ipc_bytes

KEY_COLUMNS = ("model", "reference", "dataset", "condition", "evaluation", "task", "split", "metric")
"""The columns that name a number. Numbers of single categories are not stored."""

_ADVICE = "`segharness score RUN` makes it again"

Samples = npt.NDArray[np.float64]
"""A number on each of B resamples, float64 (B,)."""


def resamples_file(results: StorePath) -> StorePath:
    """Return the path of the resamples that belong to a results.arrow."""
    return results.with_name("resamples.arrow")


def write_resamples(results: StorePath, content: pa.Table, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the resamples that belong to a results table. If there are none, delete the file.

    Args:
        results: the path of the results.arrow.
        content: its table.
        key: which resamples were drawn; resamples with equal keys are paired.
        rows: the rows of the results; those with ``samples``, float64 (B,), and without a ``category`` are written.
    """
    path = resamples_file(results)
    kept = [row for row in rows if row.get("samples") is not None and row.get("category") is None]
    if not kept:
        path.unlink(missing_ok=True)
        return
    size = len(kept[0]["samples"])
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate([row["samples"] for row in kept])), size)
    columns = {name: pa.array([row.get(name) for row in kept], pa.string()) for name in KEY_COLUMNS}
    table = pa.table({**columns, "samples": values})
    metadata = {"key": key, "results": rows_checksum(content), "checksum": checksum(table)}
    write_atomic(path, ipc_bytes(table.replace_schema_metadata(with_metadata(table.schema, metadata).metadata)))


def read_resamples(results: StorePath, content: pa.Table, key: str | None = None) -> dict[tuple[Any, ...], Samples]:
    """Return the resamples of a results table, keyed by the values of the columns `KEY_COLUMNS`.

    Args:
        results: the path of the results.arrow.
        content: its table; resamples that belong to another table are not returned.
        key: which resamples to read; None for any.

    Returns:
        The resamples; nothing if there is no file, or if it has another key or belongs to another table.

    Raises:
        StoreError: the file is damaged.
    """
    path = resamples_file(results)
    if not path.is_file():
        return {}
    table, metadata = _read(path)
    if metadata.get("checksum") != checksum(table):
        raise StoreError(f"{path}: damaged: its checksum does not match; {_ADVICE}")
    if metadata.get("results") != rows_checksum(content) or (key is not None and metadata.get("key") != key):
        return {}
    keys = list(zip(*(table.column(name).to_pylist() for name in KEY_COLUMNS), strict=True))
    if len(set(keys)) < len(keys):
        raise StoreError(f"{path}: damaged: a number's resamples are there twice; {_ADVICE}")
    column = table.column("samples").combine_chunks()
    values = column.flatten().to_numpy().reshape(len(table), -1)
    return dict(zip(keys, values, strict=True))


def resamples_key(results: StorePath) -> str | None:
    """Return the key of the resamples of a results.arrow, or None if there are none.

    Raises:
        StoreError: the file is damaged.
    """
    path = resamples_file(results)
    if not path.is_file():
        return None
    return str(_read(path)[1].get("key"))


def _read(path: StorePath) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table and the metadata of the file, with the columns that it must have."""
    try:
        table = read_arrow(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}; {_ADVICE}") from error
    except StoreError as error:
        raise StoreError(f"{error}; {_ADVICE}") from error
    metadata = metadata_of(table.schema, str(path))
    if len(set(table.schema.names)) < len(table.schema.names):
        raise StoreError(f"{path}: damaged: two columns have one name; {_ADVICE}")
    for step in range(metadata["schema_version"], SCHEMA_VERSION):
        table = MIGRATIONS[step](table)
    names = [*KEY_COLUMNS, "samples"]
    texts = all(pa.types.is_string(table.schema.field(name).type) for name in KEY_COLUMNS if name in table.schema.names)
    samples = table.schema.field("samples").type if "samples" in table.schema.names else None
    if table.schema.names != names or not texts or samples is None or not pa.types.is_fixed_size_list(samples):
        raise StoreError(f"{path}: damaged: it has other columns; {_ADVICE}")
    if samples.value_type != pa.float64() or table.column("samples").null_count:
        raise StoreError(f"{path}: damaged: its samples are no numbers; {_ADVICE}")
    return table, metadata
