"""The Arrow schemas of everything a run writes, and their version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segharness.errors import SchemaError, StoreError

SCHEMA_VERSION = 1
_KEY = b"segharness"

PREDICTIONS = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("category_id", pa.int32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("bbox", pa.list_(pa.float32(), 4), nullable=False),  # x y w h
        pa.field("mask", pa.binary()),  # compressed COCO RLE counts; null for detectors
    ]
)

IMAGES = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("n_instances", pa.int32(), nullable=False),
        pa.field("dropped", pa.int32(), nullable=False),  # instances of categories that the data set does not annotate
        pa.field("clipped", pa.int32(), nullable=False),  # boxes that reached over the border
        pa.field("seconds", pa.float64()),  # of predict alone
        pa.field("pixels", pa.uint64()),  # digest of what the model saw
        pa.field("drawn", pa.string()),  # what a mixture drew
        pa.field("error", pa.string()),
    ]
)

RESULTS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("reference", pa.string()),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("corruption", pa.string()),
        pa.field("severity", pa.int8()),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("reason", pa.string()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("n_images", pa.int64()),
        pa.field("n_instances", pa.int64()),
    ]
)


def with_metadata(schema: pa.Schema, metadata: Mapping[str, Any]) -> pa.Schema:
    """Return the schema carrying `metadata` and the schema version."""
    return schema.with_metadata({_KEY: json.dumps({"schema_version": SCHEMA_VERSION, **metadata}, sort_keys=True)})


def metadata_of(schema: pa.Schema, file: str) -> dict[str, Any]:
    """Return the metadata of a file that segharness wrote.

    Raises:
        StoreError: segharness did not write it.
        SchemaError: a newer segharness wrote it.
    """
    raw = (schema.metadata or {}).get(_KEY)
    if raw is None:
        raise StoreError(f"{file}: not written by segharness")
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise StoreError(f"{file}: damaged: its metadata is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise StoreError(f"{file}: damaged: its metadata is no JSON object")
    return check_version(found, file)


def check_version(found: dict[str, Any], file: str) -> dict[str, Any]:
    """Return `found` as the current version has it: older ones migrated, newer ones refused."""
    version = found.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise StoreError(f"{file}: has no schema_version")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"{file}: written with schema version {version}, this segharness reads up to {SCHEMA_VERSION}: "
            "pip install -U segharness"
        )
    for step in range(version, SCHEMA_VERSION):
        found = MIGRATIONS[step](found)
    return found


MIGRATIONS: dict[int, Any] = {}
"""From version n to n + 1: a function of the metadata. Empty while there is only one version."""
