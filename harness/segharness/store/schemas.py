"""The Arrow schemas of the files that a run writes, their version, and the upgrade of older versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segharness.errors import SchemaError, StoreError

SCHEMA_VERSION = 4
"""The version of all schemas and of the manifest. Older versions are read, newer ones refused."""

_KEY = b"segharness"

PREDICTIONS = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("category_id", pa.int32(), nullable=False),
        pa.field("score", pa.float64()),  # null if a model that takes prompts gives none
        pa.field("bbox", pa.list_(pa.float64(), 4), nullable=False),  # x y w h
        pa.field("mask", pa.binary()),  # compressed COCO RLE counts; null for detectors
        pa.field("annotation_id", pa.int64()),  # the annotation that was the prompt; null without prompts
    ]
)
"""Predictions of a shard, one row per detection."""

IMAGES = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("n_instances", pa.int32(), nullable=False),
        pa.field("dropped", pa.int32(), nullable=False),  # instances of categories that the data set does not annotate
        pa.field("clipped", pa.int32(), nullable=False),  # boxes that reached over the border of the image
        pa.field("seconds", pa.float64()),  # of predict alone
        pa.field("batch", pa.int32()),  # number of images in that call of predict
        pa.field("call", pa.int64()),  # number of calls that the model had answered before in its process
        pa.field("device", pa.string()),  # its name
        pa.field("prompt", pa.string()),  # what the model got of the ground truth: boxes, points or null
        pa.field("pixels", pa.uint64()),  # digest of the image that the model got
        pa.field("drawn", pa.string()),  # the corruptions that a mixture drew
        pa.field(
            "input_height", pa.int32()
        ),  # of the tensor that entered the network, padding included; null if unknown
        pa.field("input_width", pa.int32()),
        pa.field("interpolation", pa.string()),  # how the image was scaled to it: none, bilinear ...
        pa.field("padding", pa.list_(pa.int32(), 4)),  # its rows and columns that are no image: top bottom left right
        pa.field("error", pa.string()),
    ]
)
"""Images of a shard, one row per image."""

RESULTS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("reference", pa.string()),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("corruption", pa.string()),
        pa.field("severity", pa.int8()),
        pa.field("evaluation", pa.string(), nullable=False),  # how the cell was scored: coco, cityscapes ...
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
        pa.field("device", pa.string()),  # of timing metrics
    ]
)
"""Results of a run, one row per number."""


def with_metadata(schema: pa.Schema, metadata: Mapping[str, Any]) -> pa.Schema:
    """Return a schema that carries `metadata` and the schema version."""
    return schema.with_metadata({_KEY: json.dumps({"schema_version": SCHEMA_VERSION, **metadata}, sort_keys=True)})


def metadata_of(schema: pa.Schema, file: str) -> dict[str, Any]:
    """Return the metadata of a file that segharness wrote.

    Raises:
        StoreError: segharness did not write the file, or it is damaged.
        SchemaError: a newer segharness wrote it.
    """
    raw = (schema.metadata or {}).get(_KEY)
    if raw is None:
        raise StoreError(f"{file}: not written by segharness")
    try:
        metadata = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{file}: damaged: its metadata is not JSON: {str(error)[:200]}") from error
    if not isinstance(metadata, dict):
        raise StoreError(f"{file}: damaged: its metadata is no JSON object")
    return check_version(metadata, file)


def check_version(metadata: dict[str, Any], file: str) -> dict[str, Any]:
    """Return the metadata of a file, if this segharness can read its version.

    Raises:
        StoreError: the metadata have no version.
        SchemaError: a newer segharness wrote it.
    """
    version = metadata.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise StoreError(f"{file}: has no schema_version")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"{file}: written with schema version {version}, this segharness reads up to {SCHEMA_VERSION}: "
            "pip install -U segharness"
        )
    return metadata


def upgrade(content: pa.Table, schema: pa.Schema, version: int) -> pa.Table:
    """Return the rows of a file of an older version, converted to `schema`.

    The `MIGRATIONS` since that version are applied. Then missing columns become null, and narrower numbers wider.

    Raises:
        KeyError: a column that must not be null is missing, or there is one that `schema` does not have.
    """
    for step in range(version, SCHEMA_VERSION):
        content = MIGRATIONS[step](content)
    unknown = [name for name in content.schema.names if name not in schema.names]
    lacking = [f.name for f in schema if f.name not in content.schema.names and not f.nullable]
    if unknown or lacking:
        raise KeyError(*unknown, *lacking)
    columns = [
        content.column(f.name).cast(f.type) if f.name in content.schema.names else pa.nulls(content.num_rows, f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def _protocol_becomes_evaluation(content: pa.Table) -> pa.Table:
    """Rename the column that says how a cell was scored, in results and resamples, and the word in reasons."""
    names = content.schema.names
    if "protocol" not in names:
        return content
    content = content.rename_columns(["evaluation" if name == "protocol" else name for name in names])
    if "reason" in names:
        reasons = content.column("reason")
        for old, new in (("this protocol", "this evaluation"), ("see the protocol", "see the evaluation")):
            reasons = pc.replace_substring(reasons, old, new)
        content = content.set_column(names.index("reason"), content.schema.field("reason"), reasons)
    return content


MIGRATIONS: dict[int, Callable[[pa.Table], pa.Table]] = {
    1: lambda content: content,  # 2: boxes and scores are doubles; prompts, devices and calls of predict are columns
    2: _protocol_becomes_evaluation,  # 3: the column that says how a cell was scored is called evaluation
    3: lambda content: content,  # 4: images say what entered the network
}
"""For each version n, the function that converts the rows of any file from n to n + 1."""
