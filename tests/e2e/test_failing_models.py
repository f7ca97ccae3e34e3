"""Models that die, hang, print and run out of memory: they cost their own cells, and what happens once costs nothing."""

from __future__ import annotations

import sys
import time

import pytest

MODEL = """
import os
import signal
import sys
import time

import numpy as np


class Instances:
    def __init__(self, image):
        self.boxes = np.float32([[1, 1, 30, 30]])
        self.scores = np.float32([image.mean() / 255])
        self.labels = np.array([0])
        self.masks = np.zeros((1, *image.shape[:2]), bool)
        self.masks[0, 1:30, 1:30] = True


class Trouble:
    categories = ["disc"]

    def __init__(self, mode, above, flag):
        self.mode, self.above, self.flag = mode, above, flag

    def predict(self, images, prompts=None):
        if self.mode == "garbage":
            print('{"event": "done", "unit": 0}\\n{{{{', flush=True)
            os.write(1, b"\\x00\\xff garbage")
        if images[0].mean() > self.above and (not self.flag or not os.path.exists(self.flag)):
            time.sleep(0.5)  # what it did before is written meanwhile
            if self.flag:
                open(self.flag, "w").close()
            if self.mode == "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            if self.mode == "exit":
                sys.stderr.write("the last words of the model\\n")
                sys.stderr.flush()
                os._exit(5)
            if self.mode == "killed":  # as the kernel does where memory ends
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mode == "hang":
                time.sleep(3600)
            if self.mode == "memory":
                raise MemoryError("no more")
        return [Instances(image) for image in images]


def build(mode="", above=256, flag=""):
    return Trouble(mode, above, flag)
"""

SUITE = """
segharness: 1
name: trouble
models:
  - {{id: good, model: "./trouble.py:build"}}
  - {{id: bad, model: "./trouble.py:build", options: {{mode: {mode}, above: 110, flag: "{flag}"}}{more}}}
reference: good
datasets:
  - id: shapes
    dataset: coco/instances
    options: {{annotations: coco/annotations.json, images: coco/images}}
conditions: [clean, gaussian_noise-5, fog-3]
"""


@pytest.fixture
def trouble(harness, coco):
    def write(mode, once=False, more=""):
        harness.write("trouble.py", MODEL)
        flag = harness.folder / "happened" if once else ""
        harness.write("trouble.yaml", SUITE.format(mode=mode, flag=flag, more=more))
        return harness

    return write


def values(harness):
    return {
        (row["model"], row["condition"]): row["value"]
        for row in harness.results("trouble").to_pylist()
        if row["metric"] == "AP" and row["task"] == "segm"
    }


UNDER = {"in the worker": "", "under python:": f', python: "{sys.executable}"'}


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("segfault", "signal 11"),
        ("exit", "exit code 5"),
        ("killed", "signal 9"),
        ("memory", "out of memory at batch 1"),
    ],
)
def test_a_model_that_ends_its_process_costs_its_own_cells(trouble, mode, told, more):
    """It dies on the first image under fog, the brightest; what it wrote before stays."""
    harness = trouble(mode, more=more)
    done = harness("run", "trouble.yaml", "--workers", "1", "--retries", "1")
    assert done.code == 1, done.err
    assert done.err.count("trying again on a fresh worker") == 1
    failed = next(line for line in done.err.splitlines() if line.startswith("FAILED"))
    assert told in failed and "bad" in failed
    if mode == "exit":
        assert "the last words of the model" in failed
    found = values(harness)
    assert all(found["good", condition] is not None for condition in ("clean", "gaussian_noise-5", "fog-3"))
    assert found["bad", "clean"] is not None and found["bad", "gaussian_noise-5"] is not None
    assert found["bad", "fog-3"] is None
    assert harness("run", "trouble.yaml", "--workers", "1", "--retries", "0").code == 1


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
@pytest.mark.parametrize("mode", ["segfault", "memory"])
def test_what_happens_once_costs_nothing_but_time(trouble, mode, more):
    harness = trouble(mode, once=True, more=more)
    done = harness("run", "trouble.yaml", "--workers", "1")
    assert done.code == 0, done.err
    assert "trying again on a fresh worker" in done.err
    found = values(harness)
    assert all(found["bad", c] == found["good", c] for c in ("clean", "gaussian_noise-5", "fog-3"))


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
def test_a_model_that_hangs_is_given_up_after_the_timeout(trouble, more):
    harness = trouble("hang", more=more)
    began = time.monotonic()
    done = harness("run", "trouble.yaml", "--workers", "1", "--retries", "1", "--timeout", "6")
    assert done.code == 1
    assert "nothing was heard of its worker for 6 s; it was killed" in done.err
    assert values(harness)["good", "fog-3"] is not None
    assert time.monotonic() - began < 120


@pytest.mark.parametrize("more", UNDER.values(), ids=UNDER)
def test_what_a_model_prints_goes_to_the_log(trouble, more):
    harness = trouble("garbage", more=more)
    done = harness("run", "trouble.yaml", "--workers", "1")
    assert done.code == 0, done.err
    assert "{{{{" not in done.out + done.err
    logs = b"".join(path.read_bytes() for path in (harness.folder / "runs/trouble/logs").glob("*.log"))
    assert b"{{{{" in logs and b"\x00\xff garbage" in logs


def test_a_unit_is_tried_as_often_as_it_was_asked(trouble):
    harness = trouble("segfault")
    done = harness("run", "trouble.yaml", "--workers", "1", "--retries", "3")
    assert done.err.count("trying again on a fresh worker") == 3
    assert "(4 times)" in done.err
