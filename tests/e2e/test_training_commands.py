"""The training commands: the loss falls, one machine gives the same weights twice, and a kill changes nothing."""

from __future__ import annotations

import contextlib
import csv
import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMANDS = {
    "adaptis": ("segharness_adaptis", "toy"),
    "maskrcnn-bn": ("segharness_toymaskrcnn", "bn"),
    "maskrcnn-gn": ("segharness_toymaskrcnn", "gn"),
}
SHORT = ["--steps", "100", "--batch", "1", "--save-every", "50", "--validate-every", "100", "--validation-images", "2"]


@pytest.fixture
def start():
    """Returns a function that starts a training; whatever still runs in the end is killed."""
    with contextlib.ExitStack() as stack:

        def begin(name: str, out: Path, *arguments: str) -> subprocess.Popen[str]:
            package, network = COMMANDS[name]
            command = [sys.executable, "-m", f"{package}.train", network, *arguments, "--out", str(out)]
            process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.kill)
            return process

        yield begin


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert out.strip().endswith("weights.safetensors")
    return err


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adaptis", "maskrcnn-gn"])  # the other norm is the same training
def test_retraining(name, tmp_path, start):
    whole, killed = (start(name, tmp_path / folder, *SHORT) for folder in ("whole", "killed"))
    while not (tmp_path / "killed/checkpoint.pt").exists():
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.2)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed/weights.safetensors").exists()
    again = start(name, tmp_path / "killed", *SHORT)
    finish(whole)
    assert "continues after step " in finish(again)
    for file in ("weights.safetensors", "log.csv", "recipe.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes(), file
    rows = rows_of(tmp_path / "whole/log.csv")
    assert [row["step"] for row in rows] == ["50", "100"]
    part = "masks" if name == "adaptis" else "loss"
    first, last = (float(row[part]) for row in (rows[0], rows[-1]))
    assert last < 0.75 * first, f"{part}: {first} -> {last}"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_shipped_log_begins_as_a_training_does_here(name, tmp_path, start):
    """The first 50 steps do not depend on how many there are; other processors round otherwise."""
    package, network = COMMANDS[name]
    finish(start(name, tmp_path / "begun", "--steps", "50", "--validation-images", "1"))
    shipped = rows_of(Path(importlib.import_module(package).__path__[0]) / f"weights/{network}.csv")[0]
    here = rows_of(tmp_path / "begun/log.csv")[0]
    assert here["step"] == shipped["step"] == "50"
    for part in (key for key in shipped if not key.startswith(("AP", "step", "images", "learning"))):
        assert float(here[part]) == pytest.approx(float(shipped[part]), rel=0.05), part
