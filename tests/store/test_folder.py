"""The run folder: manifest, lock, results and failures."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pytest
from segharness.errors import SchemaError, StoreError
from segharness.store import RESULTS, SCHEMA_VERSION, Lock, RunFolder, manifest_of, read_results, write_results
from segharness.store.atomic import write_atomic
from segharness.store.failures import read_failures, write_failures
from segharness.store.shards import ipc_bytes


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_the_manifest_is_read_as_it_was_written(folder):
    inputs = {"models": {}, "datasets": {}, "conditions": {}}
    manifest = {"suite": {}, "inputs": inputs, "plugin_arguments": {}, "protocol": "p"}
    folder.write_manifest(manifest)
    assert folder.read_manifest() == {**manifest, "schema_version": SCHEMA_VERSION}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, StoreError, "has no manifest.json"),
        ("{", StoreError, "damaged"),
        ("[]", StoreError, "not a JSON object"),
        ("{}", StoreError, "has no schema_version"),
        ('{"schema_version": 1}', StoreError, "it lacks `suite`"),
        (
            '{"schema_version": 1, "suite": {}, "inputs": {}, "plugin_arguments": {}, "protocol": "p"}',
            StoreError,
            "its `inputs` are not those of a run",
        ),
        ('{"schema_version": 99}', SchemaError, "pip install -U"),
    ],
)
def test_a_file_that_is_not_a_manifest_is_reported(folder, text, error, message):
    folder.path.mkdir()
    if text is not None:
        folder.manifest.write_text(text)
    with pytest.raises(error, match=message):
        folder.read_manifest()


def test_a_folder_has_one_holder(folder):
    with Lock(folder), pytest.raises(StoreError, match="another run"), Lock(folder):
        pass
    with Lock(folder):
        pass


def test_results_carry_their_manifest(tmp_path):
    blank = pa.table({f.name: pa.array([], f.type) for f in RESULTS}, schema=RESULTS)
    path = tmp_path / "results.arrow"
    written = write_results(path, blank, {"protocol": "p"})
    assert read_results(path).equals(written)
    assert manifest_of(read_results(path)) == {"protocol": "p"}


@pytest.mark.parametrize("data", [b"", b"no arrow", b"ARROW1\0\0" + b"x" * 50])
def test_a_file_that_is_not_a_results_file_is_reported(tmp_path, data):
    path = tmp_path / "results.arrow"
    with pytest.raises(StoreError, match="no file"):
        read_results(path)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="not an Arrow file"):
        read_results(path)


def test_failures_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "failures.json"
    assert read_failures(path) == {}
    write_failures(path, {("m", "d", "c"): "why"})
    assert read_failures(path) == {("m", "d", "c"): "why"}
    path.write_text(json.dumps([{}]))
    assert read_failures(path) == {}, "it is only an aid"


def test_files_have_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "f", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_results_that_were_changed_are_refused(tmp_path):
    rows = {f.name: [None] for f in RESULTS}
    names = ("model", "dataset", "condition", "evaluation", "task", "split", "metric")
    rows |= {name: ["x"] for name in names} | {"value": [0.5]}
    path = tmp_path / "results.arrow"
    content = pa.table({f.name: pa.array(rows[f.name], f.type) for f in RESULTS}, schema=RESULTS)
    written = write_results(path, content, {"protocol": "p"})
    changed = content.set_column(content.schema.get_field_index("value"), RESULTS.field("value"), pa.array([0.9]))
    path.write_bytes(ipc_bytes(changed.replace_schema_metadata(written.schema.metadata)))
    with pytest.raises(StoreError, match="damaged: its checksum"):
        read_results(path)


def test_a_file_in_place_of_a_run_folder_is_refused(tmp_path):
    (tmp_path / "robustness.yaml").write_text("segharness: 1\n")
    with pytest.raises(StoreError, match="is a file; give the folder of a run, such as runs/robustness"):
        RunFolder.from_text(tmp_path / "robustness.yaml")
