"""What the tests of hostile and of strangers' runs share: forging by our own writers, and every command that reads a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from segharness.store import (
    IMAGES,
    PREDICTIONS,
    SCHEMA_VERSION,
    RunFolder,
    manifest_of,
    read_results,
    read_shard,
    write_results,
    write_shard,
)

BOOTSTRAP = ("--bootstrap", "100")
SAMPLE = ("-p", "segharness.testing.sample")
SUITE = """
segharness: 1
name: s
models: [sample/finder, sample/blind]
reference: sample-finder
datasets: [{dataset: sample/squares, id: squares}]
conditions: [clean, sample/dim-1, sample/dim-3]
"""
CELL = ("sample-finder", "squares", "clean")

COMMANDS = {
    "score": ("score", "runs/s", "--bootstrap", "100", *SAMPLE),
    "report": ("report", "runs/s"),
    "compare": ("compare", "runs/s"),
    "status": ("status", "runs/s"),
    "verify": ("verify", "runs/s", *SAMPLE),
    "export-results": ("export-results", "runs/s", "-o", "out", *SAMPLE),
    "reference": (
        "run", "s.yaml", *SAMPLE, "--out", "other", "--bootstrap", "100", "--model", "sample/blind",
        "--reference", "runs/s/results.arrow::sample-finder",
    ),
}  # fmt: skip


def every_command(hostile, *names, env=None):
    """Run commands; none may fail with a traceback, hang, or be killed. Returns their results by name."""
    results = {name: hostile(*COMMANDS[name], timeout=60, env=env) for name in names or COMMANDS}
    for name, done in results.items():
        assert done.code in (0, 1, 4), (name, done)
        assert "Traceback" not in done.err and "This is a bug" not in done.err, (name, done.err)
    return results


def commands(name="runs/small"):
    """Every command that reads a run folder."""
    return {
        "score": ("score", name, *BOOTSTRAP),
        "report": ("report", name),
        "compare": ("compare", f"{name}::good", f"{name}::other"),
        "status": ("status", name),
        "export-results": ("export-results", name, "-o", "out"),
        "verify": ("verify", name),
        "reference": (
            "run", "small.yaml", "--out", "second", *BOOTSTRAP, "--model", "solver.py:build,id=third",
            "--reference", f"{name}/results.arrow::good",
        ),
    }  # fmt: skip


def forget(monkeypatch, tmp_path):
    """Make this another machine: it remembers no data."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another/state"))


def edited(folder: Path, change, *, with_checksum: bool = True) -> None:
    """Change the manifest of a run folder; with its checksum made again, as whoever forges it would."""
    run = RunFolder(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    if with_checksum:
        version = manifest.pop("schema_version")
        manifest.pop("checksum", None)
        run.write_manifest(manifest)
        assert version == SCHEMA_VERSION
    else:
        (folder / "manifest.json").write_text(json.dumps(manifest))


def forged_everywhere(folder, change):
    """Change the manifest of a run, and the one within results.arrow, as a forger would."""
    edited(folder, change)
    content = read_results(folder)
    manifest = manifest_of(content)
    change(manifest)
    write_results(folder / "results.arrow", content, manifest)


def rewritten(folder, change):
    """Write results.arrow again with other rows, by our own writer and with a fresh checksum."""
    content = read_results(folder)
    rows = content.to_pylist()
    change(rows)
    table = pa.Table.from_pylist(rows, schema=content.schema.remove_metadata())
    write_results(folder / "results.arrow", table, json.loads(content.schema.metadata[b"segharness"])["manifest"])


def changed_shard(folder, change, cell=CELL):
    """Write a shard of a run again with other predictions or images, as its own writer would."""
    files = RunFolder(folder).shard_files(*cell, 0)
    stored = read_shard(files)
    predictions, images = stored.predictions.to_pydict(), stored.images.to_pydict()
    change(predictions, images)
    tables = [
        pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema=schema)
        for schema, columns in ((PREDICTIONS, predictions), (IMAGES, images))
    ]
    write_shard(files, *tables, stored.inputs)


def bomb(path: Path, rows: int) -> None:
    """A file of few bytes that inflates to many: one column of zeros."""
    column = pa.array(np.zeros(rows))
    with pa.OSFile(str(path), "wb") as sink:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(sink, pa.schema([pa.field("value", pa.float64())]), options=options) as writer:
            writer.write_table(pa.table({"value": column}))
