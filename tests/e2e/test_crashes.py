"""Kill the run or a worker at any moment; the same command finishes, and the results are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from segharness.store import read_results
from segharness.testing import wait_for, workers_of

SLOW = """
segharness: 1
name: slow
models:
  - {id: good, model: "./solver.py:build", options: {seconds: 0.03}}
  - {id: other, model: "./solver.py:build", options: {seconds: 0.03, margin: 70}}
reference: good
datasets:
  - id: shapes
    dataset: coco/instances
    options: {annotations: coco/annotations.json, images: coco/images}
  - id: again
    dataset: coco/instances
    options: {annotations: coco/annotations.json, images: coco/images}
conditions: [clean, gaussian_noise-5, fog-3, mixed]
"""


def undisturbed(harness):
    done = harness("run", "slow.yaml", "--out", "undisturbed")
    assert done.code == 0, done.err
    return read_results(harness.folder / "undisturbed" / "results.arrow")


def files(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.glob("images/**/*.arrow")}


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.7, 1.5])
def test_kill_9_of_the_run_loses_only_unfinished_files(small, seconds):
    small.write("slow.yaml", SLOW)
    expected = undisturbed(small)
    process = small.start("run", "slow.yaml", "--workers", "2")
    time.sleep(seconds)
    process.kill()
    process.wait()
    wait_for(lambda: not workers_of(process.pid))
    before = files(small.folder / "runs/slow")
    done = small("run", "slow.yaml")
    assert done.code == 0, done.err
    after = files(small.folder / "runs/slow")
    assert {path: after[path] for path in before} == before, "a finished file was computed again"
    assert len(after) == 16
    assert not list((small.folder / "runs/slow").rglob("*.part"))
    assert small.results("slow").equals(expected)


def test_workers_end_when_their_scheduler_is_killed(small):
    small.write("slow.yaml", SLOW)
    process = small.start("run", "slow.yaml", "--workers", "2")
    wait_for(lambda: len(workers_of(process.pid)) == 2)
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(_alive(pid) for pid in workers))


def _alive(pid: int) -> bool:
    try:
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return False
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.slow
def test_kill_9_of_a_worker_costs_nothing_but_time(small):
    small.write("slow.yaml", SLOW)
    at_work = small.folder / "at_work"
    solver = (small.folder / "solver.py").read_text()
    predict = "        self.calls += 1\n"
    assert solver.count(predict) == 1
    noting = f"        with open({str(at_work)!r}, 'a') as file:\n            file.write(f'{{os.getpid()}}\\n')\n"
    small.write("solver.py", solver.replace(predict, predict + noting))
    expected = undisturbed(small)
    at_work.unlink()
    process = small.start("run", "slow.yaml", "--workers", "2")
    wait_for(lambda: at_work.exists() and at_work.read_text().endswith("\n"))
    os.kill(int(at_work.read_text().split()[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "signal 9" in err and "trying again" in err
    assert small.results("slow").equals(expected)


def test_ctrl_c_ends_with_code_2_and_the_next_run_continues(small):
    small.write("slow.yaml", SLOW)
    process = small.start("run", "slow.yaml", "--workers", "2")
    folder = small.folder / "runs/slow"
    wait_for(lambda: len(files(folder)) >= 4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "the same command continues" in err and "Traceback" not in err
    before = files(folder)
    done = small("run", "slow.yaml")
    assert done.code == 0
    assert {path: files(folder)[path] for path in before} == before


def test_a_second_run_in_one_folder_says_so_and_stops(small):
    small.write("slow.yaml", SLOW)
    process = small.start("run", "slow.yaml", "--workers", "2")
    wait_for(lambda: len(workers_of(process.pid)) == 2)
    second = small("run", "slow.yaml")
    process.kill()
    process.communicate()
    assert second.code == 4
    assert f"process {process.pid}" in second.err


_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
import os
os.execv(sys.executable, [sys.executable, "-m", "segharness", *sys.argv[2:]])
"""


def test_a_disk_without_room_is_one_message_and_keeps_what_was_written(small):
    """The kernel refuses to write files over a limit, as it does on a full disk; predictions are the larger files."""
    sizes = small("run", "small.yaml", "--out", "measure", "-qq")
    assert sizes.code == 0
    largest = max(p.stat().st_size for p in (small.folder / "measure").glob("images/**/*.arrow"))
    manifest = (small.folder / "measure/manifest.json").stat().st_size
    results = (small.folder / "measure/results.arrow").stat().st_size
    limit = max(largest, manifest, results) + 200
    noisy = small.write("noisy.py", _MANY)
    assert noisy.is_file()
    text = (small.folder / "small.yaml").read_text()
    text = text.replace(
        '{id: other, model: "./solver.py:build", options: {margin: 70}}', '{id: many, model: "./noisy.py:build"}'
    )
    small.write("small.yaml", text)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(limit), "run", "small.yaml", "--workers", "1"],
        cwd=small.folder,
        env=small.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "no space left" in done.stderr and "Traceback" not in done.stderr
    values = {(r["model"], r["condition"]): r for r in small.results("small").to_pylist() if r["metric"] == "AP50"}
    assert values["good", "clean"]["value"] == 1.0
    assert values["many", "clean"]["value"] is None
    assert small("run", "small.yaml").code == 0


_MANY = """
import numpy as np


class Instances:
    def __init__(self, n, shape):
        rng = np.random.default_rng(0)
        self.boxes = np.tile(np.float32([1, 1, 60, 60]), (n, 1))
        self.scores = rng.random(n).astype(np.float32)
        self.labels = np.zeros(n, dtype=int)
        self.masks = rng.random((n, *shape)) > 0.5


class Many:
    categories = ["disc"]

    def predict(self, images, prompts=None):
        return [Instances(40, image.shape[:2]) for image in images]


def build():
    return Many()
"""


def test_a_run_folder_that_is_deleted_in_mid_run_is_one_message_and_no_traceback(small):
    small.write("slow.yaml", SLOW.replace("0.03", "0.15"))
    process = small.start("run", "slow.yaml", "--workers", "1")
    folder = small.folder / "runs/slow"
    wait_for(lambda: list(folder.rglob("predictions/**/*.arrow")))
    folder.rename(small.folder / "gone")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err and [line for line in err.splitlines() if line.startswith("error:")], err
