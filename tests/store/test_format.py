"""docs/format.md: what it says is what is written and read, by programs that know nothing but the page."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import duckdb
import jsonschema
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from segharness.store import IMAGES, PREDICTIONS, RESULTS, RunFolder, read_results
from segharness.store.format import COLUMNS, RESAMPLES, SCHEMAS
from segharness.testing import CommandLine

PAGE = (Path(__file__).resolve().parents[2] / "docs/format.md").read_text()
TABLES = {"Predictions": PREDICTIONS, "Images": IMAGES, "Results": RESULTS, "Resamples": RESAMPLES}


def documented(section):
    """The columns that a section of the page documents: name, type, whether it may be null."""
    text = PAGE.split(f"### {section}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return re.findall(r"^\| `(\w+)` \| (\S+) \| (yes|no) \|", text, re.M)


@pytest.mark.parametrize("section", TABLES)
def test_the_page_has_every_column_with_its_type(section):
    schema = TABLES[section]
    shorter = {
        "fixed_size_list<item: double>[4]": "double[4]",
        "fixed_size_list<item: double>[1000]": "double[B]",
        "fixed_size_list<item: int32>[4]": "int32[4]",
    }
    written = [(f.name, shorter.get(str(f.type), str(f.type)), "yes" if f.nullable else "no") for f in schema]
    assert documented(section) == written
    assert list(COLUMNS[section.lower()]) == schema.names


# ------------------------------------------------------------------------- a run written from the specification alone


def blake(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_of(value):
    return blake(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii"))


def checksum_of(table):
    """The checksum, as the page says it is made."""
    data = b""
    for name in table.schema.names:
        values = table.column(name).to_pylist()
        kind = table.schema.field(name).type
        data += bytes(value is None for value in values)
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            texts = [value.encode() if isinstance(value, str) else value for value in values if value is not None]
            data += json.dumps([len(text) for text in texts]).encode() + b"".join(texts)
            continue
        if pa.types.is_fixed_size_list(kind):
            values, kind = [n for value in values if value is not None for n in value], kind.value_type
        types = {pa.int64(): "<i8", pa.int32(): "<i4", pa.float64(): "<f8", pa.uint64(): "<u8", pa.int8(): "<i1"}
        data += np.array([0 if value is None else value for value in values], dtype=types[kind]).tobytes()
    return blake(data)


def write(path, columns, types, metadata):
    """Write an Arrow IPC file with pyarrow alone; return its bytes."""
    fields = [pa.field(name, kind, nullable=null) for name, (kind, null) in types.items()]
    table = pa.table([pa.array(columns[name], kind) for name, (kind, _) in types.items()], schema=pa.schema(fields))
    metadata = {"schema_version": 4, **metadata, "checksum": checksum_of(table)}
    schema = table.schema.with_metadata({"segharness": json.dumps(metadata)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table.cast(schema))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sink.getvalue())
    return path.read_bytes()


TYPES = {
    "int64": pa.int64(), "int32": pa.int32(), "double": pa.float64(), "binary": pa.binary(), "string": pa.string(),
    "uint64": pa.uint64(), "double[4]": pa.list_(pa.float64(), 4), "int32[4]": pa.list_(pa.int32(), 4),
}  # fmt: skip
SQUARES = {1: [(1, 4, 6, 16), (3, 30, 10, 20)], 2: [(1, 10, 10, 24)], 3: [(3, 2, 2, 12), (2, 40, 20, 18)]}
"""Detections by image: category, x, y, side. They are the squares of the sample data set, but for one."""


def counts_of(x, y, side, height=48, width=64):
    """The counts of the RLE of a square, by pycocotools."""
    from pycocotools import mask as rle

    pixels = np.zeros((height, width), np.uint8, order="F")
    pixels[y : y + side, x : x + side] = 1
    return rle.encode(pixels)["counts"]


def write_run(folder):
    """Write the folder of a run that no segharness made."""
    model, dataset = {"name": "theirs/squares", "weights": None}, {"name": "sample/squares", "digest": "squares-1"}
    inputs = {
        "models": {"theirs": {"squares": model}},
        "datasets": {"squares": dataset},
        "conditions": {"clean": {"name": "clean"}},
    }
    scoring = {"tasks": ["segm", "bbox"], "metrics": ["coco"], "splits": []}
    protocol = {
        "identity": 1,
        "datasets": {"squares": {**dataset, "limit": None}},
        "conditions": [{"name": "clean"}],
        "scoring": scoring,
    }
    suite = {
        "path": "theirs.yaml", "name": "theirs", "description": "", "seed": 0,
        "models": [{"id": "theirs", "model": "theirs/squares"}],
        "groups": [{"name": "models", "models": ["theirs"], "reference": None}],
        "datasets": [{"id": "squares", "dataset": "sample/squares"}],
        "conditions": [{"name": "clean"}], "condition_groups": [], "scoring": scoring,
    }  # fmt: skip
    manifest = {
        "schema_version": 3, "suite": suite, "inputs": inputs, "protocol": digest_of(protocol),
        "plugin_arguments": {"include": [], "folders": []},
    }  # fmt: skip
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for index, (start, stop) in enumerate([(0, 2), (2, 3)]):
        images = range(start + 1, stop + 1)
        made = {"identity": 1, "model": model, "dataset": dataset, "condition": {"name": "clean"},
                "shard": [index, start, stop]}  # fmt: skip
        metadata = {"inputs": made, "identity": digest_of(made)}
        rows = [(image, *square) for image in images for square in SQUARES[image]]
        place = f"theirs/squares/clean/{index:05d}.arrow"
        types = {name: (TYPES[kind], null == "yes") for name, kind, null in documented("Predictions")}
        columns = {
            "image_id": [row[0] for row in rows],
            "category_id": [row[1] for row in rows],
            "score": [0.5] * len(rows),
            "bbox": [[x, y, side, side] for _, _, x, y, side in rows],
            "mask": [counts_of(x, y, side) for _, _, x, y, side in rows],
            "annotation_id": [None] * len(rows),
        }
        data = write(folder / "predictions" / place, columns, types, metadata)
        types = {name: (TYPES[kind], null == "yes") for name, kind, null in documented("Images")}
        nothing = dict.fromkeys(types, [None] * len(images))
        columns = {
            **nothing, "image_id": list(images), "height": [48] * len(images), "width": [64] * len(images),
            "n_instances": [len(SQUARES[image]) for image in images], "dropped": [0] * len(images),
            "clipped": [0] * len(images),
        }  # fmt: skip
        write(folder / "images" / place, columns, types, {**metadata, "predictions": blake(data)})


def test_a_run_written_from_the_page_alone_is_scored_reported_and_compared(harness):
    write_run(harness.folder / "theirs")
    jsonschema.validate(json.loads((harness.folder / "theirs/manifest.json").read_text()), SCHEMAS["manifest"]())
    sample = ("-p", "segharness.testing.sample")
    done = harness("score", "theirs", "--bootstrap", "100", *sample)
    assert done.code == 0, done.err
    values = {
        (row["task"], row["category"], row["metric"]): row["value"]
        for row in read_results(harness.folder / "theirs").to_pylist()
    }
    # all found but the red square of the third image: of two red squares both are found, of six squares five
    assert values["segm", "green", "AP"] == pytest.approx(1) and values["bbox", "blue", "AP"] == pytest.approx(1)
    assert values["segm", None, "AR100"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert "theirs" in harness("report", "theirs").out
    suite = """
        segharness: 1
        models: [sample/finder]
        datasets: [{dataset: sample/squares, id: squares}]
        conditions: [clean]
        """
    harness.write("ours.yaml", suite)
    assert harness("run", "ours.yaml", "--bootstrap", "100", *sample).code == 0
    done = harness("compare", "theirs::theirs", "runs/ours::sample-finder", *sample)
    assert done.code == 0, done.err
    manifest = RunFolder(harness.folder / "runs/ours").read_manifest()
    assert manifest["protocol"] == RunFolder(harness.folder / "theirs").read_manifest()["protocol"]


@pytest.mark.parametrize("damage", ["checksum", "pair", "identity", "version"])
def test_what_the_page_says_a_reader_refuses_is_refused(harness, damage):
    write_run(harness.folder / "theirs")
    folder = harness.folder / "theirs"
    file = folder / "predictions/theirs/squares/clean/00000.arrow"
    if damage == "checksum":
        other = folder / "images/theirs/squares/clean/00000.arrow"
        data = other.read_bytes()
        other.write_bytes(data.replace((48).to_bytes(4, "little") * 2, (47).to_bytes(4, "little") * 2))
    elif damage == "pair":
        file.write_bytes((folder / "predictions/theirs/squares/clean/00001.arrow").read_bytes())
    elif damage == "identity":
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["inputs"]["models"]["theirs"]["squares"]["name"] = "others/squares"
        (folder / "manifest.json").write_text(json.dumps(manifest))
    else:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    done = harness("score", "theirs", "--no-bootstrap", "-p", "segharness.testing.sample")
    if damage == "version":
        assert done.code == 4 and "pip install -U segharness" in done.err
        return
    reasons = {row["reason"] for row in read_results(folder).to_pylist() if row["metric"] == "AP"}
    expected = {"checksum": "damaged", "pair": "damaged", "identity": "made from other inputs"}[damage]
    assert all(expected in reason for reason in reasons), reasons


# ----------------------------------------------------------------------------- ours, read with polars and DuckDB alone


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    command = CommandLine(tmp_path_factory.mktemp("ours"))
    suite = """
        segharness: 1
        name: ours
        models: [sample/finder, sample/blind]
        reference: sample-finder
        datasets: [{dataset: sample/squares, id: squares}]
        conditions: [clean, sample/dim-1, sample/dim-3]
        """
    command.write("ours.yaml", suite)
    done = command("run", "ours.yaml", "--bootstrap", "100", "-p", "segharness.testing.sample")
    assert done.code == 0, done.err
    return command.folder / "runs/ours"


FILES = {
    "Predictions": "predictions/sample-finder/squares/clean/00000.arrow",
    "Images": "images/sample-finder/squares/clean/00000.arrow",
    "Results": "results.arrow",
    "Resamples": "resamples.arrow",
}
POLARS = {
    "int64": pl.Int64, "int32": pl.Int32, "int8": pl.Int8, "uint64": pl.UInt64, "double": pl.Float64,
    "string": pl.String, "binary": pl.Binary, "double[4]": pl.Array(pl.Float64, 4), "double[B]": pl.Array(pl.Float64, 100),
    "int32[4]": pl.Array(pl.Int32, 4),
}  # fmt: skip


@pytest.mark.parametrize("section", FILES)
def test_polars_and_duckdb_find_every_documented_column(ours, section):
    frame = pl.read_ipc(ours / FILES[section])
    assert dict(frame.schema) == {name: POLARS[kind] for name, kind, _ in documented(section)}
    for name, _, null in documented(section):
        assert null == "yes" or frame[name].null_count() == 0
    names = [column[0] for column in duckdb.sql("select * from frame").description]
    assert names == [name for name, _, _ in documented(section)]


def test_the_numbers_are_found_with_one_query(ours):
    frame = pl.read_ipc(ours / "results.arrow")
    assert len(frame) > 100
    query = "select value from frame where metric = 'AP' and task = 'segm' and condition = 'clean' and category is null"
    assert sorted(duckdb.sql(query).fetchall()) == [(0.0,), (1.0,)]


def test_metadata_are_as_the_schemas_say(ours):
    for section, file in FILES.items():
        described = SCHEMAS[section.lower()]()
        with pa.OSFile(str(ours / file)) as source:
            schema = pa.ipc.open_file(source).schema
        metadata = json.loads(schema.metadata[described["metadata"]["key"].encode()])
        jsonschema.validate(metadata, described["metadata"]["schema"])
        assert [column["name"] for column in described["columns"]] == schema.names
    jsonschema.validate(json.loads((ours / "manifest.json").read_text()), SCHEMAS["manifest"]())


def test_the_command_prints_what_the_module_holds(harness):
    for name, schema in SCHEMAS.items():
        assert json.loads(harness("schema", name).out) == json.loads(json.dumps(schema()))
    assert json.loads(harness("schema").out)["title"]
