"""`verify` derives every number again: what was forged, removed or damaged is named; what is right passes."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pytest
import segharness
from segharness.errors import StoreError
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.score import verify
from segharness.store import IMAGES, RunFolder, manifest_of, read_results, read_shard, write_results, write_shard
from segharness.store.resamples import resamples_file

PLUGINS = ("segharness.testing.sample",)
SUITE = """
segharness: 1
name: s
models: [sample/finder, sample/blind]
reference: sample-finder
datasets: [{dataset: sample/squares, id: squares}]
conditions: [clean, sample/dim-1, sample/dim-3]
scoring: {metrics: [coco, speed], splits: {first: [red]}}
"""
CELL = "sample-finder::squares::clean"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "s.yaml").write_text(SUITE)
    segharness.run(folder / "s.yaml", out=folder / "run", executor="inline", bootstrap=100, plugins=PLUGINS)
    return folder / "run"


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture(scope="module")
def host():
    return PluginHost.load(PluginArguments(PLUGINS))


def findings(folder, host, **options):
    return [(finding.place, finding.problem) for finding in verify(folder, host, **options).findings]


def rewritten(folder, change):
    """Write results.arrow again with other rows, by our own writer and with a fresh checksum."""
    content = read_results(folder.results)
    manifest = manifest_of(content)
    rows = content.to_pylist()
    change(rows, manifest)
    table = pa.Table.from_pylist(rows, schema=content.schema.remove_metadata())
    write_results(folder.results, table, manifest)


def ap(rows):
    names = ("model", "condition", "metric", "task", "split", "category")
    wanted = ("sample-finder", "clean", "AP", "segm", "all", None)
    return next(row for row in rows if tuple(row[name] for name in names) == wanted)


def test_a_run_as_it_was_made_is_verified(folder, host):
    found = verify(folder, host, pixels=True)
    assert found.findings == []
    assert (found.cells, found.images) == (6, 9)
    assert found.numbers == read_results(folder.results).num_rows > 200


def test_nothing_is_written(folder, host):
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    verify(folder, host, pixels=True)
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


@pytest.mark.parametrize("by", [0.1, 1e-6])
def test_a_forged_number_is_named(folder, host, by):
    rewritten(folder, lambda rows, manifest: ap(rows).update(value=ap(rows)["value"] - by))
    found = findings(folder, host)
    [problem] = [problem for place, problem in found if place == CELL]
    others = [place for place, _ in found if place != CELL]
    assert problem.startswith("AP (coco, segm): `value` is 0.")
    assert "in results.arrow, and 1 derived again" in problem
    assert set(others) <= {"resamples.arrow", "results.arrow"}  # what belongs to the results that were forged


@pytest.mark.parametrize(
    ("field", "value"), [("ci_low", 0.1), ("n_images", 99), ("n_instances", 0), ("reason", "none"), ("device", "H200")]
)
def test_every_column_is_compared(folder, host, field, value):
    rewritten(folder, lambda rows, manifest: ap(rows).update({field: value}))
    assert any(place == CELL and f"`{field}` is {value}" in problem for place, problem in findings(folder, host))


def test_a_number_that_was_removed_added_or_doubled_is_named(folder, host):
    rewritten(folder, lambda rows, manifest: rows.remove(ap(rows)))
    assert (CELL, "AP (coco, segm): is missing in results.arrow") in findings(folder, host)
    rewritten(folder, lambda rows, manifest: rows.append({**rows[0], "metric": "AP101"}))
    assert any("AP101" in problem and "no such number" in problem for _, problem in findings(folder, host))
    rewritten(folder, lambda rows, manifest: rows.append(dict(rows[1])))
    assert ("results.arrow", "1 numbers stand in it twice") in findings(folder, host)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("packages", {"numpy": "9"}), ("devices", ["H200"]), ("notes", ["all is well"]), ("references", {}),
        ("reference_clean", [["a", "b", "c", "d", "e", "f", 1.0]]), ("made_up", 1),
    ],
)  # fmt: skip
def test_what_results_say_of_themselves_is_compared(folder, host, key, value):
    rewritten(folder, lambda rows, manifest: manifest.update({key: value}))
    assert any(place == "results.arrow" and f"its `{key}` differs" in text for place, text in findings(folder, host))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bootstrap", 7),
        ("bootstrap", "x"),
        ("bootstrap", 100.0),
        ("bootstrap", True),
        ("engine", "mine"),
        ("engine", None),
    ],
)
def test_scoring_that_cannot_be_is_a_finding(folder, host, key, value):
    rewritten(folder, lambda rows, manifest: manifest.update({key: value}))
    assert [place for place, _ in findings(folder, host)] == ["results.arrow"]


def test_resamples_that_were_forged_or_removed_are_named(folder, host):
    from segharness.store.resamples import KEY_COLUMNS, read_resamples, write_resamples

    content = read_results(folder.results)
    stored = read_resamples(folder.results, content)
    rows = [
        {**dict(zip(KEY_COLUMNS, key, strict=True)), "samples": values, "category": None}
        for key, values in stored.items()
    ]
    key = json.loads(pa.ipc.open_file(resamples_file(folder.results)).schema.metadata[b"segharness"])["key"]
    rows[0]["samples"] = rows[0]["samples"] * 0.5
    write_resamples(folder.results, content, key, rows)
    [(place, problem)] = findings(folder, host)
    assert place == "resamples.arrow" and "its resamples are not those" in problem
    resamples_file(folder.results).unlink()
    [(place, problem)] = findings(folder, host)
    assert place == "resamples.arrow" and "is missing" in problem


def test_resamples_of_another_key_or_twice_are_named(folder, host):
    from segharness.store.arrow_file import read_arrow
    from segharness.store.schemas import with_metadata
    from segharness.store.shards import checksum, ipc_bytes

    path = resamples_file(folder.results)
    table = read_arrow(path)
    metadata = json.loads(table.schema.metadata[b"segharness"])

    def write(content, **changes):
        stamp = {**metadata, "checksum": checksum(content), **changes}
        del stamp["schema_version"]
        path.write_bytes(ipc_bytes(content.replace_schema_metadata(with_metadata(content.schema, stamp).metadata)))

    write(table.replace_schema_metadata(None), key="zz")
    assert ("resamples.arrow", "says that it is of other resamples than the run's") in findings(folder, host)
    write(pa.concat_tables([table, table]).replace_schema_metadata(None))
    assert any("a number's resamples are there twice" in problem for _, problem in findings(folder, host))


def test_a_heading_that_was_changed_is_named(folder, host):
    manifest = json.loads(folder.manifest.read_text())
    manifest["suite"]["conditions"][1]["category"] = "weather"
    del manifest["checksum"], manifest["schema_version"]
    folder.write_manifest(manifest)
    rewritten(folder, lambda rows, recorded: recorded["suite"]["conditions"][1].update(category="weather"))
    assert any(place == "sample-dim-1" and "of the category weather" in text for place, text in findings(folder, host))


def test_a_missing_shard_and_a_missing_cell_are_named(folder, host):
    folder.shard_files("sample-finder", "squares", "clean", 0).predictions.unlink()
    found = findings(folder, host)
    assert (found[0][0] == CELL and "damaged" in found[0][1]) or "missing" in found[0][1]
    assert len(found) < 8, "what follows from it is one line"
    assert any("numbers of cells that cannot be scored" in problem for _, problem in found)


def test_images_that_failed_are_named(folder, host):
    files = folder.shard_files("sample-finder", "squares", "clean", 0)
    stored = read_shard(files)
    images = stored.images.to_pydict()
    images["error"][0] = "the model fell over"
    write_shard(files, stored.predictions, pa.table(images, schema=IMAGES), stored.inputs)
    assert (CELL, "1 of 3 images failed: the model fell over") in findings(folder, host)


def test_pixels_of_another_protocol_are_named_only_when_asked_for(folder, host):
    files = folder.shard_files("sample-finder", "squares", "sample-dim-3", 0)
    stored = read_shard(files)
    images = stored.images.to_pydict()
    images["pixels"][1] ^= 1
    write_shard(files, stored.predictions, pa.table(images, schema=IMAGES), stored.inputs)
    assert findings(folder, host) == []
    [(place, problem)] = findings(folder, host, pixels=True)
    assert place == "sample-finder::squares::sample-dim-3" and "its pixels were not those of the protocol" in problem


@pytest.mark.parametrize("kept", [0, 1])
def test_digests_of_pixels_that_were_removed_are_a_finding(folder, host, kept):
    files = folder.shard_files("sample-finder", "squares", "clean", 0)
    stored = read_shard(files)
    images = stored.images.to_pydict()
    images["pixels"] = images["pixels"][:kept] + [None] * (2 - kept)
    write_shard(files, stored.predictions, pa.table(images, schema=IMAGES), stored.inputs)
    found = findings(folder, host, pixels=True)
    assert found == [(CELL, f"{2 - kept} of 2 images of shard 0 have no digest of their pixels")]


def test_a_corruption_of_another_version_cannot_make_the_pixels(folder):
    from segharness.plugin.specs import CorruptionSpec

    host = PluginHost.load(PluginArguments(PLUGINS))
    spec = host.get("sample/dim", CorruptionSpec)
    object.__setattr__(spec, "version", "2")
    try:
        found = findings(folder, host, pixels=True)
    finally:
        object.__setattr__(spec, "version", "1")
    assert (
        "sample-dim-3",
        "pixels cannot be made: this machine has version 2 of `sample/dim`, the run 1",
    ) in found


@pytest.mark.parametrize("file", ["manifest.json", "results.arrow", "resamples.arrow"])
@pytest.mark.parametrize("damage", ["bit", "cut"])
def test_a_damaged_file_is_a_finding(folder, host, file, damage):
    path = folder.path / file
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 4
    path.write_bytes(data if damage == "bit" else data[: len(data) // 2])
    assert findings(folder, host) and all(file in place or file in problem for place, problem in findings(folder, host))


def test_what_is_no_run_is_a_mistake(tmp_path, host):
    with pytest.raises(StoreError, match="not a run folder"):
        verify(RunFolder(tmp_path), host)


def test_a_missing_results_file_is_a_finding(folder, host):
    folder.results.unlink()
    assert [place for place, _ in findings(folder, host)] == ["results.arrow"]
