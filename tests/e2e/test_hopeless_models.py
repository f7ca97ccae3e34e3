"""Models that fail on everything, or find nothing: given up early, or told what that usually is; what is counted."""

from __future__ import annotations

import json
import sys

import pytest

MODEL = """
import numpy as np


class Answer:
    def __init__(self, boxes, label):
        self.boxes = np.float32(boxes).reshape(-1, 4)
        self.scores = np.full(len(self.boxes), 0.5, np.float32)
        self.labels = np.full(len(self.boxes), label)
        self.masks = None


class Model:
    categories = ["square", "disc"]

    def __init__(self, mode, calls):
        self.mode, self.calls, self.count = mode, calls, 0

    def predict(self, images, prompts=None):
        with open(self.calls, "a") as file:
            file.write("x" * len(images))
        self.count += 1
        if self.mode == "raise first" and self.count == 1:
            raise RuntimeError("once")
        if self.mode == "raise" or (self.mode == "raise later" and self.count > 1):
            raise RuntimeError("half is not implemented")
        if self.mode == "dict":
            return [{"boxes": [], "scores": [], "labels": []} for image in images]
        if self.mode == "another label":
            return [Answer([[0, 0, 9, 9]], 7) for image in images]
        if self.mode == "fractions":
            return [Answer([[0.1, 0.1, 0.9, 0.9]] * 3, 0) for image in images]
        return [Answer([], 0) for image in images]


def build(mode, calls):
    return Model(mode, calls)
"""

SUITE = """
segharness: 1
name: hopeless
models:
  - {{id: bad, model: "./hopeless.py:build", options: {{mode: {mode}, calls: {calls}}}{more}}}
  - {{id: good, model: "./solver.py:build"}}
datasets:
  - {{id: many, dataset: coco/instances, options: {{annotations: many/annotations.json, images: many/images}}}}
conditions: [clean, contrast-1, contrast-2]
"""
IMAGES = 80


@pytest.fixture
def hopeless(small, make_coco):
    def write(mode, more=""):
        make_coco("many", count=IMAGES)
        small.write("hopeless.py", MODEL)
        small.write("hopeless.yaml", SUITE.format(mode=mode, calls=small.folder / "calls", more=more))
        return small

    return write


def calls(harness):
    return len((harness.folder / "calls").read_text())


WHERE = {
    "one worker": ("", ["--workers", "1"], 1),
    "two workers": ("", ["--workers", "2"], 2),
    "in this process": ("", ["--executor", "inline"], 1),
    "under python:": (f', python: "{sys.executable}"', ["--workers", "1"], 1),
}


@pytest.mark.parametrize("where", WHERE)
def test_a_model_whose_every_call_raises_is_given_up(hopeless, where):
    more, arguments, workers = WHERE[where]
    harness = hopeless("raise", more)
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", *arguments)
    assert done.code == 1
    assert 16 <= calls(harness) <= workers * 16 + 16  # what was in flight, too
    line = next(line for line in done.err.splitlines() if "half is not implemented" in line)
    assert "model `bad`: failed on each of its first 16 images and is given up" in line
    assert done.err.count("half is not implemented") <= 2 * workers
    assert f"3 of 6 cells done, 3 failed; {3 * IMAGES} predictions made" in done.err
    found = {(row["model"], row["condition"]): row for row in harness.results("hopeless").to_pylist()
             if row["metric"] == "AP" and row["category"] is None and row["task"] == "bbox"}  # fmt: skip
    assert found["good", "contrast-2"]["value"] is not None
    assert "given up" in found["bad", "contrast-2"]["reason"]


@pytest.mark.parametrize("mode", ["dict", "another label"])
def test_a_model_whose_every_answer_is_wrong_is_given_up(hopeless, mode):
    harness = hopeless(mode)
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "1")
    assert done.code == 1 and 16 <= calls(harness) <= 40
    told = {
        "dict": "got a dict with the keys `boxes`, `scores`, `labels`: make an Instances",
        "another label": "label 7 of instance 0 is not in 0..1",
    }[mode]
    assert "is given up" in done.err and told in done.err


def test_zero_gives_no_model_up_and_failed_images_are_no_predictions(hopeless):
    harness = hopeless("raise")
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "2", "--give-up-after", "0")
    assert done.code == 1 and calls(harness) == 3 * IMAGES
    counts = f"3 of 6 cells done, 3 failed; {3 * IMAGES} predictions made, {3 * IMAGES} images failed, 0 reused"
    assert counts in done.err
    status = harness("status", "runs/hopeless")
    assert f"{3 * IMAGES} of {6 * IMAGES} predictions (100 %), {3 * IMAGES} images failed" in status.out


def test_a_model_that_answered_once_is_not_given_up(hopeless):
    harness = hopeless("raise later")
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "1")
    assert done.code == 1 and calls(harness) == 3 * IMAGES and "given up" not in done.err


def test_one_call_that_fails_is_not_every_call(hopeless):
    harness = hopeless("raise first", ", batch_size: 32")
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "1")
    assert done.code == 1 and "given up" not in done.err and calls(harness) == 3 * IMAGES
    assert f"{6 * IMAGES - 32} predictions made, 32 images failed" in done.err


def test_a_batched_model_is_given_up_after_three_calls(hopeless):
    harness = hopeless("raise", ", batch_size: 32")
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "1")
    assert done.code == 1 and "is given up" in done.err and calls(harness) <= 3 * 32


def test_the_number_is_ones_own(hopeless):
    harness = hopeless("raise")
    assert harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "1", "--give-up-after", "3").code == 1
    assert 3 <= calls(harness) <= 20


@pytest.mark.parametrize("mode", ["fractions", "nothing"])
def test_a_model_that_finds_nothing_is_told_what_that_usually_is(hopeless, mode):
    harness = hopeless(mode)
    done = harness("run", "hopeless.yaml", "--bootstrap", "100", "--workers", "2")
    assert done.code == 0
    said = [line for line in done.err.splitlines() if "in its first 64 clean images" in line]
    assert len(said) == 1 and "model `bad`" in said[0] and "weights that were not loaded" in said[0]
    assert ("it predicts nothing" if mode == "nothing" else "none of its 192 detections overlaps one") in said[0]


def test_stored_results_count_to_the_end(hopeless):
    harness = hopeless("nothing")
    harness("run", "hopeless.yaml", "--bootstrap", "100", "--model", "solver.py:build,id=solver", "--out", "first")
    assert harness("export-results", "first", "-o", "stored").code == 0
    for workers in ("1", "2"):
        done = harness(
            "run", "hopeless.yaml", "--bootstrap", "100", "--model", "coco-results/stored/solver/many",
            "--out", f"second{workers}", "--workers", workers,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert f"{3 * IMAGES} predictions made" in done.err
        status = json.loads(harness("status", f"second{workers}", "--json").out)
        assert status["made"] == status["images"] == 3 * IMAGES


def test_status_says_that_a_run_is_incomplete(hopeless):
    harness = hopeless("nothing")
    harness("run", "hopeless.yaml", "--bootstrap", "100", "-k", "good")
    status = harness("status", "runs/hopeless")
    assert "incomplete: 3 cells not run" in status.out and "finished" not in status.out
    harness("run", "hopeless.yaml", "--bootstrap", "100", "-k", "bad and clean or bad and contrast-1")
    assert "incomplete: 1 cell not run" in harness("status", "runs/hopeless").out
    harness("run", "hopeless.yaml", "--bootstrap", "100")
    assert "finished" in harness("status", "runs/hopeless").out
