"""Predictions and results do not depend on who made them, and what became of those."""

from __future__ import annotations

import os
import signal
import time

import pytest
from segharness.store import IMAGES, PREDICTIONS, read_results, read_table
from segharness.testing import workers_of

SAME = """
segharness: 1
name: same
models:
  - {id: good, model: "./solver.py:build", options: {seconds: 0.002}}
  - {id: other, model: "./solver.py:build", options: {seconds: 0.002, margin: 70}}
reference: good
datasets:
  - id: many
    dataset: coco/instances
    options: {annotations: many/annotations.json, images: many/images}
  - id: shapes
    dataset: coco/instances
    options: {annotations: coco/annotations.json, images: coco/images}
conditions: [clean, paper15, mixed]
"""


def predictions(folder):
    """Return every stored table of a run, without what is of time."""
    found = {}
    for path in sorted(folder.rglob("*.arrow")):
        name = str(path.relative_to(folder))
        if name.startswith("predictions/"):
            found[name] = read_table(path, PREDICTIONS)[0]
        elif name.startswith("images/"):
            found[name] = read_table(path, IMAGES)[0].drop(["seconds", "call"])
    return found


def same(one, other):
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


def test_math_libraries_have_as_many_threads_however_many_workers_there_are(small):
    """Their sums depend on it: the scores of this model are the numbers of threads it was given."""
    solver = (small.folder / "solver.py").read_text()
    scored = "scores = np.full(count, float(os.environ['OMP_NUM_THREADS']) / 100)"
    small.write("solver.py", solver.replace("scores = np.linspace(0.9, 0.5, count).astype(np.float32)", scored))
    for workers in ("1", "3"):
        assert small("run", "small.yaml", "--workers", workers, "--out", workers).code == 0
    assert same(predictions(small.folder / "1"), predictions(small.folder / "3"))


@pytest.mark.slow
def test_predictions_and_results_do_not_depend_on_workers_and_what_becomes_of_them(small, make_coco):
    """1 worker, 3 workers, and 2 of which some are killed while they work."""
    make_coco("many", count=70, seed=3)
    small.write("same.yaml", SAME)
    assert small("run", "same.yaml", "--workers", "1", "--out", "one").code == 0
    assert small("run", "same.yaml", "--workers", "3", "--out", "three").code == 0
    run = small.start("run", "same.yaml", "--workers", "2", "--out", "killed", "--retries", "20")
    killed = 0
    while run.poll() is None:
        time.sleep(0.9)
        if killed < 5 and (found := workers_of(run.pid)):
            os.kill(found[killed % len(found)], signal.SIGKILL)
            killed += 1
    assert run.communicate() and run.returncode == 0
    assert killed >= 3
    one, three, disturbed = (predictions(small.folder / name) for name in ("one", "three", "killed"))
    assert len(one) == 2 * 2 * 17 * 3
    assert same(one, three) and same(one, disturbed)
    results = [read_results(small.folder / name) for name in ("one", "three", "killed")]
    assert results[0].equals(results[1]) and results[0].equals(results[2])
