"""Texts of strangers' runs, wherever commands show them: they reach no terminal, page or LaTeX as more than text."""

from __future__ import annotations

import json

import pytest
from segharness.store import RunFolder

from tests.e2e.forging import CELL, COMMANDS, changed_shard, every_command, forged_everywhere, rewritten

ESCAPE, BELL = "\x1b", "\x07"
HOSTILE = f"{ESCAPE}]0;owned{BELL}{ESCAPE}[2J\r\n<script>alert(1)</script>|\u202e\x9b31m\\input{{x}}"
FORMATS = ("json", "csv", "latex", "markdown", "svg")


def no_command_of_a_terminal(text):
    """Nothing but printable characters, line ends, and the colours that we print ourselves (none: this is no terminal)."""
    controls = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c == "\u202e"]
    assert controls == [], text


def harmless(hostile, *names, env=None):
    """Run commands; return what all of them said."""
    said = ""
    for done in every_command(hostile, *names, env=env).values():
        no_command_of_a_terminal(done.out)
        no_command_of_a_terminal(done.err)
        said += done.out + done.err
    return said


def reasons(rows):
    for row in rows:
        if row["value"] is None:
            row["reason"] = HOSTILE
    rows[0].update(value=None, reason=HOSTILE, ci_low=None, ci_high=None)


def categories(rows):
    for row in rows:
        if row["category"] is not None:
            row["category"] += HOSTILE


@pytest.mark.parametrize("change", [reasons, categories])
def test_rows_of_results(hostile, change):
    rewritten(hostile.folder / "runs/s", change)
    assert "owned" in harmless(hostile, *(set(COMMANDS) - {"score"}))
    for words in [(), ("--classes",), ("--parts",), *(("--format", name) for name in FORMATS)]:
        done = hostile("report", "runs/s", *words)
        assert done.code in (0, 4), done.err
        no_command_of_a_terminal(done.out)
        no_command_of_a_terminal(done.err)
        if "markdown" in words or "svg" in words:
            assert "<script>" not in done.out


@pytest.mark.parametrize("width", ["80", "300"])
def test_errors_of_images(hostile, width):
    def failed(predictions, images):
        images["error"][0] = HOSTILE
        images["n_instances"][0] = 0
        kept = [row for row, image in enumerate(predictions["image_id"]) if image != images["image_id"][0]]
        predictions.update({name: [values[row] for row in kept] for name, values in predictions.items()})

    changed_shard(hostile.folder / "runs/s", failed)
    assert "owned" in harmless(hostile, env={"COLUMNS": width})


def test_status_and_failures(hostile):
    folder = hostile.folder / "runs/s"
    status = json.loads((folder / "status.json").read_text())

    def spoiled(value):
        if isinstance(value, dict):
            return {key: spoiled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [spoiled(item) for item in value]
        return HOSTILE if isinstance(value, str) else value

    (folder / "status.json").write_text(json.dumps(spoiled(status)))
    missing = RunFolder(folder).shard_files(*CELL, 0)
    missing.predictions.unlink()
    missing.images.unlink()
    (folder / "failures.json").write_text(json.dumps([{"cell": CELL, "error": HOSTILE}]))
    assert "owned" in harmless(hostile)


def test_a_manifest(hostile):
    def change(manifest):
        manifest["suite"]["description"] = HOSTILE
        manifest["suite"]["name"] = HOSTILE
        for key in ("segharness", "platform", "python"):
            manifest[key] = HOSTILE

    forged_everywhere(hostile.folder / "runs/s", change)
    harmless(hostile)
