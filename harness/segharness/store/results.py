"""results.arrow: every number of a run in one long table, with the manifest in the metadata of its schema."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segharness.errors import StoreError
from segharness.store.arrow_file import Limits, read_arrow
from segharness.store.atomic import write_atomic
from segharness.store.remote import StorePath, store_path
from segharness.store.schemas import RESULTS, metadata_of, upgrade, with_metadata
from segharness.store.shards import checksum, ipc_bytes

MOST_ROWS = 5_000_000
"""The most numbers that a results file may have."""


LONGEST = 20_000
"""No text of a results file is longer, in bytes of UTF-8."""


def write_results(path: StorePath, content: pa.Table, manifest: Mapping[str, Any]) -> pa.Table:
    """Write a table of `RESULTS` with the manifest in its metadata, and return it as written."""
    json_manifest = json.loads(json.dumps(manifest))
    rows = checksum(content)
    metadata = {"manifest": json_manifest, "rows": rows, "checksum": _checksum(rows, json_manifest)}
    stamped = content.replace_schema_metadata(with_metadata(RESULTS, metadata).metadata)
    write_atomic(path, ipc_bytes(stamped))
    return stamped


def read_results(path: str | os.PathLike[str] | StorePath) -> pa.Table:
    """Return the results of a results.arrow or of a run folder, as `write_results` returned them.

    Those of an older schema version are upgraded.

    Raises:
        StoreError: the file is missing, damaged, or not a results file.
        SchemaError: a newer segharness wrote it.

    Example:
        >>> read_results("no/such/run")
        Traceback (most recent call last):
        ...
        segharness.errors.StoreError: no file no/such/run
    """
    path = store_path(path)
    path = path / "results.arrow" if path.is_dir() else path
    try:
        content = read_arrow(path, Limits.of_process(MOST_ROWS))
    except FileNotFoundError:
        raise StoreError(f"no file {path}") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error
    manifest = manifest_of(content, path)
    metadata = metadata_of(content.schema, str(path))
    try:
        rows = checksum(content)
        intact = metadata.get("checksum") == _checksum(rows, manifest)
        current = upgrade(content, RESULTS, metadata["schema_version"])
    except KeyError:
        raise StoreError(f"{path}: not a results file: it has the columns {content.schema.names}") from None
    except (pa.ArrowException, ValueError) as error:
        raise StoreError(f"{path}: damaged: {str(error).splitlines()[0]}") from error
    if not intact:
        raise StoreError(
            f"{path}: damaged: its checksum does not match its content; `segharness score RUN` makes it again"
        )
    if lacking := next(
        (field.name for field in RESULTS if not field.nullable and current.column(field.name).null_count), None
    ):
        raise StoreError(f"{path}: damaged: a number has no `{lacking}`")
    for field in RESULTS:
        if (
            pa.types.is_string(field.type)
            and (pc.max(pc.binary_length(current.column(field.name))).as_py() or 0) > LONGEST
        ):
            raise StoreError(f"{path}: damaged: a `{field.name}` has more than {LONGEST} bytes")
    for name in ("value", "ci_low", "ci_high"):
        if not pc.all(pc.is_finite(current.column(name).drop_null())).as_py() and len(current.column(name).drop_null()):
            raise StoreError(f"{path}: damaged: a `{name}` is not finite")
    upgraded = {**metadata, "rows": rows}
    del upgraded["schema_version"]
    return current.replace_schema_metadata(with_metadata(RESULTS, upgraded).metadata)


def _checksum(rows: str, manifest: Mapping[str, Any]) -> str:
    """Return a hash of the numbers (`rows` is their hash) and of the manifest."""
    return hashlib.blake2b((rows + json.dumps(manifest, sort_keys=True)).encode(), digest_size=16).hexdigest()


def rows_checksum(content: pa.Table) -> str:
    """Return the hash of the rows of a results table, as it is in the file."""
    return str(metadata_of(content.schema, "results")["rows"])


def manifest_of(content: pa.Table, path: StorePath | str = "results") -> dict[str, Any]:
    """Return the manifest that a results table carries.

    Args:
        content: the table.
        path: of its file, for messages.

    Raises:
        StoreError: it carries none.
    """
    manifest = metadata_of(content.schema, str(path)).get("manifest")
    if not isinstance(manifest, dict):
        raise StoreError(f"{path}: not a results file: it carries no manifest")
    return manifest
