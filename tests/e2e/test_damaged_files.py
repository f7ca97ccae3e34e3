"""Bombs, pipes, devices and random damage in a run folder: refused by name, or without effect; no hang, no crash."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from segharness.store import RunFolder
from segharness.store.arrow_file import VARIABLE

from tests.e2e.forging import (
    CELL,
    COMMANDS,
    bomb,
    every_command,
)

# ------------------------------------------------------------------------------------------------ bombs and devices


READERS = {
    "results.arrow": ("report", "compare", "reference"),
    "resamples.arrow": ("compare", "reference"),
    "images": ("score", "export-results"),
    "predictions": ("score", "export-results"),
}


@pytest.mark.parametrize("file", READERS)
def test_bombs_are_refused_before_they_are_inflated(hostile, file):
    run = hostile.folder / "runs/s"
    path = run / file if file.endswith(".arrow") else getattr(RunFolder(run).shard_files(*CELL, 0), file)
    bomb(path, 4_900_000)
    assert path.stat().st_size < 40_000
    for name, done in every_command(hostile, *READERS[file]).items():
        said = "its bytes are not those" if file == "predictions" else "would inflate from"
        assert done.code in (1, 4) and said in done.err and path.name in done.err, (name, done.err)
        assert file == "predictions" or VARIABLE in done.err


def test_the_limit_is_a_setting(hostile):
    assert hostile("report", "runs/s", env={VARIABLE: "1"}).code == 0
    done = hostile("report", "runs/s", env={VARIABLE: "many"})
    assert done.code == 4 and "not a number of MiB" in done.err


@pytest.mark.parametrize("file", ["manifest.json", "results.arrow", "resamples.arrow", "status.json", "failures.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_does_not_hang(hostile, file, kind):
    path = hostile.folder / "runs/s" / file
    path.unlink(missing_ok=True)
    {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "device": lambda: path.symlink_to("/dev/zero")}[kind]()
    every_command(hostile, "score", "report", "compare", "status", "export-results")


def test_a_lock_that_is_a_link_is_not_followed(hostile):
    precious = hostile.write("precious.txt", "keep me\n")
    lock = hostile.folder / "runs/s/.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(precious)
    done = hostile(*COMMANDS["score"])
    assert done.code == 4 and ".lock" in done.err and "it is a link" in done.err
    assert precious.read_text() == "keep me\n"
    lock.unlink()
    os.mkfifo(lock)
    assert hostile(*COMMANDS["score"], timeout=60).code == 4


# ---------------------------------------------------------------------------------------------------- random damage


def test_files_damaged_at_random_are_refused_or_without_effect(tmp_path):
    """A part of what `benchmarks/damaged_files.py` does 10,000 times."""
    script = Path(__file__).resolve().parents[2] / "benchmarks/damaged_files.py"
    spec = importlib.util.spec_from_file_location("damaged_files", script)
    module = importlib.util.module_from_spec(spec)
    sys.modules["damaged_files"] = module
    spec.loader.exec_module(module)
    folder = module.made_run(tmp_path)
    names = list(module.readers(folder))
    jobs = [(name, 1000 * number + seed) for number, name in enumerate(names) for seed in range(40)]
    outcomes = list(module.outcomes(folder, jobs))
    assert len(outcomes) == len(jobs)
    assert [outcome for outcome in outcomes if outcome[2] not in ("refused", "no effect")] == []
    assert sum(outcome[2] == "refused" for outcome in outcomes) > len(jobs) / 2
