"""benchmarks/gpu.sh: its processor mode runs every step, so that a borrowed card meets a script that works."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_step_runs_on_the_processor(tmp_path):
    command = [str(REPOSITORY / "benchmarks/gpu.sh"), "here", "--device", "cpu", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    report = json.loads((tmp_path / "gpu.json").read_text())
    states = {name: (step["state"], step.get("error")) for name, step in report["steps"].items()}
    assert set(states.values()) == {("ok", None)}, states
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(states) == 9 and all(step["figures"] for step in report["steps"].values())
    figures = report["steps"]
    assert figures["masks"]["figures"]["equal to the bit"] and figures["two-workers"]["figures"]["equal numbers"]
    assert figures["out-of-memory"]["figures"]["largest batch that ran, of 16"] == 4
    assert figures["processor"]["figures"]["least agreement"] == 1.0
    page = (tmp_path / "gpu.md").read_text()
    assert all(f"\n## {name}\n" in page for name in states) and "share of time waited" in page


def test_a_step_that_fails_does_not_stop_the_next_and_is_said(tmp_path):
    command = ["bash", str(REPOSITORY / "benchmarks/gpu.sh"), "here", "--device", "cpu", "--out", str(tmp_path)]
    command += ["--coco", str(tmp_path / "nowhere"), "--only", "masks", "tests"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    steps = json.loads((tmp_path / "gpu.json").read_text())["steps"]
    assert done.returncode == 1
    assert (steps["masks"]["state"], steps["tests"]["state"]) == ("failed", "ok")
    assert "error" in steps["masks"] and "## masks" in (tmp_path / "gpu.md").read_text()
