"""Prediction files are written whole and read back bit for bit, and every kind of damage is found."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segharness.digests import digest
from segharness.errors import SchemaError, StoreError
from segharness.store import IMAGES, PREDICTIONS, ShardFiles, read_shard, read_table, shard_state, table, write_shard
from segharness.store.schemas import with_metadata
from segharness.store.shards import checksum, ipc_bytes


def predictions(n=3, masks=True):
    return table(
        PREDICTIONS,
        {
            "image_id": np.arange(n),
            "category_id": np.arange(n) % 2,
            "score": np.linspace(0, 1, n),
            "bbox": [[1.5, 2, 3, 4]] * n,
            "mask": [bytes([65 + i]) * (i + 1) if masks else None for i in range(n)],
            "annotation_id": [None] * n,
        },
    )


def images(error=None, n=2):
    blank = dict.fromkeys(IMAGES.names, [0] * n)
    texts = {name: [None] * n for name in ("drawn", "device", "prompt", "interpolation", "padding")}
    return table(IMAGES, {**blank, **texts, "error": [error] + [None] * (n - 1), "seconds": [0.1] * n})


@pytest.fixture
def files(tmp_path):
    return ShardFiles(tmp_path / "p" / "0.arrow", tmp_path / "i" / "0.arrow")


IDENTITY = digest({"seed": 1})


def write(files, error=None):
    write_shard(files, predictions(), images(error), {"seed": 1})


def test_what_is_written_is_read(files):
    write(files)
    shard = read_shard(files)
    assert shard.predictions.equals(predictions()) and shard.images.equals(images())
    assert shard.identity == IDENTITY and shard.inputs == {"seed": 1}


def test_detectors_have_null_masks(files):
    write_shard(files, predictions(masks=False), images(), {})
    assert read_shard(files).predictions.column("mask").null_count == 3


def test_states(files):
    assert shard_state(files, IDENTITY).state == "absent"
    write(files)
    assert shard_state(files, IDENTITY).state == "done"
    stale = shard_state(files, "other")
    assert stale.state == "stale" and stale.inputs == {"seed": 1}
    write(files, error="it broke")
    failed = shard_state(files, IDENTITY)
    assert (failed.state, failed.detail) == ("failed", "it broke")
    files.images.unlink()
    assert shard_state(files, IDENTITY).state == "absent"


def test_nothing_but_the_files_is_left(files):
    write(files)
    assert [p.name for p in files.images.parent.iterdir()] == ["0.arrow"]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_flipped_bit_anywhere_in_the_predictions_is_found(files, share):
    write(files)
    data = bytearray(files.predictions.read_bytes())
    data[int(share * len(data))] ^= 1
    files.predictions.write_bytes(data)
    state = shard_state(files, IDENTITY)
    assert state.state == "damaged" and str(files.predictions) in state.detail


@pytest.mark.parametrize("which", ["predictions", "images"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_found(files, which, share):
    write(files)
    path = getattr(files, which)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert shard_state(files, IDENTITY).state == "damaged"


def test_files_of_two_writings_are_no_pair(files):
    write(files)
    first = files.images.read_bytes()
    write_shard(files, predictions(4), images(), {"seed": 1})
    files.images.write_bytes(first)
    assert shard_state(files, IDENTITY).state == "damaged"


def test_another_programs_arrow_file_is_refused(tmp_path):
    path = tmp_path / "x.arrow"
    path.write_bytes(ipc_bytes(pa.table({"a": [1]})))
    with pytest.raises(StoreError, match="not written by segharness"):
        read_table(path, IMAGES)


def test_a_newer_version_says_to_upgrade(tmp_path):
    path = tmp_path / "x.arrow"
    schema = pa.schema([pa.field("a", pa.int64())], {"segharness": json.dumps({"schema_version": 99})})
    path.write_bytes(ipc_bytes(pa.table({"a": [1]}, schema=schema)))
    with pytest.raises(SchemaError, match="pip install -U segharness"):
        read_table(path, IMAGES)


VERSION_1 = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("category_id", pa.int32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("bbox", pa.list_(pa.float32(), 4), nullable=False),
        pa.field("mask", pa.binary()),
    ]
)
"""Predictions as version 1 wrote them."""


def test_files_of_the_first_version_are_read(tmp_path):
    path = tmp_path / "x.arrow"
    rows = {"image_id": [7], "category_id": [1], "score": [0.1], "bbox": [[0.1, 2, 3, 4]], "mask": [b"PP1"]}
    content = table(VERSION_1, rows)
    version_1 = {"segharness": json.dumps({"schema_version": 1, "checksum": checksum(content), "identity": "i"})}
    path.write_bytes(ipc_bytes(content.replace_schema_metadata(version_1)))
    upgraded, metadata = read_table(path, PREDICTIONS)
    assert upgraded.schema == PREDICTIONS and metadata["identity"] == "i"
    [row] = upgraded.to_pylist()
    assert row["score"] == float(np.float32(0.1)) and row["bbox"][0] == float(np.float32(0.1))
    assert row["annotation_id"] is None and row["mask"] == b"PP1"
    damaged = {"segharness": json.dumps({"schema_version": 1, "checksum": "0"})}
    path.write_bytes(ipc_bytes(content.replace_schema_metadata(damaged)))
    with pytest.raises(StoreError, match="checksum"):
        read_table(path, PREDICTIONS)


def test_other_columns_are_refused(tmp_path):
    path = tmp_path / "x.arrow"
    content = pa.table({"a": [1]})
    content = content.replace_schema_metadata(with_metadata(content.schema, {"checksum": checksum(content)}).metadata)
    path.write_bytes(ipc_bytes(content))
    with pytest.raises(StoreError, match="has the columns"):
        read_table(path, IMAGES)


rows = st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.binary(max_size=5))), max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows, rows)
def test_the_checksum_tells_tables_apart_and_survives_chunking(first, second):
    def make(values):
        return pa.table(
            {"n": pa.array([n for n, _ in values], pa.int32()), "b": pa.array([b for _, b in values], pa.binary())}
        )

    assert (checksum(make(first)) == checksum(make(second))) == (first == second)
    chunked = pa.concat_tables([make(first[:2]), make(first[2:])])
    assert checksum(chunked) == checksum(make(first))


def test_a_shard_of_a_newer_version_is_not_replaced(files, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr("segharness.store.schemas.SCHEMA_VERSION", 99)
        write(files)
    with pytest.raises(SchemaError, match="pip install -U segharness"):
        shard_state(files, IDENTITY)
