"""A run that version 1 of the files wrote: it is reported, scored anew, continued, and serves as a reference."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pytest
from segharness.store import IMAGES, PREDICTIONS
from segharness.store.shards import checksum, ipc_bytes, read_table

NEW = {"annotation_id", "batch", "call", "device", "prompt"}


def as_version_1(path, schema, predictions=None):
    """Write a file of today's as version 1 had it: floats for boxes and scores, and without the newer columns."""
    content, metadata = read_table(path, schema)
    content = content.select([name for name in content.column_names if name not in NEW])
    fields = [
        pa.field(f.name, {"bbox": pa.list_(pa.float32(), 4), "score": pa.float32()}.get(f.name, f.type), f.nullable)
        for f in content.schema
    ]
    old = content.cast(pa.schema(fields))
    metadata |= {"schema_version": 1, "checksum": checksum(old)}
    if predictions is not None:
        metadata["predictions"] = hashlib.blake2b(predictions, digest_size=16).hexdigest()
    data = bytes(ipc_bytes(old.replace_schema_metadata({"segharness": json.dumps(metadata)})))
    path.write_bytes(data)
    return data


@pytest.fixture
def old(small):
    """The small run, its files turned into version 1's, and its results of today."""
    assert small("run", "small.yaml", "-qq").code == 0
    expected = small.results("small")
    run = small.folder / "runs/small"
    for images in (run / "images").rglob("*.arrow"):
        predictions = run / "predictions" / images.relative_to(run / "images")
        as_version_1(images, IMAGES, as_version_1(predictions, PREDICTIONS))
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 1}))
    (run / "resamples.arrow").unlink()
    return small, expected


def test_scoring_it_again_gives_the_numbers_of_today(old):
    small, expected = old
    done = small("score", "runs/small", "-q")
    assert done.code == 0, done.err
    assert small.results("small").equals(expected)


def test_it_is_continued_without_a_prediction_made_again(old):
    small, expected = old
    done = small("run", "small.yaml")
    assert done.code == 0, done.err
    assert "0 predictions made, 48 reused" in done.out + done.err
    assert small.results("small").equals(expected)


def test_speed_says_what_would_measure_it(old):
    small, _ = old
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text + "scoring: {metrics: [coco, speed]}\n")
    assert small("run", "small.yaml", "-qq").code == 0
    reasons = {r["reason"] for r in small.results("small").to_pylist() if r["protocol"] == "speed"}
    assert reasons == {"the predictions are of a version that did not count calls; --fresh makes them again"}
