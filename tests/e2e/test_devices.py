"""What models need of devices, how many images they get at once, and how much memory a worker takes."""

from __future__ import annotations

import pytest
from segharness.store import IMAGES, PREDICTIONS, read_results, read_table


def test_a_model_whose_device_is_not_there_is_found_before_the_first_cell(small):
    text = (small.folder / "small.yaml").read_text()
    small.write(
        "small.yaml", text.replace("options: {margin: 70}", "options: {margin: 70}, needs: {device: cuda, memory: 8}")
    )
    done = small("run", "small.yaml", "--devices", "cpu")
    assert done.code == 4
    assert "model `other` needs a cuda device of 8 GiB; there is cpu" in done.err
    assert "Traceback" not in done.err and not list((small.folder / "runs").rglob("*.arrow"))
    assert small("run", "small.yaml", "-k", "good", "--devices", "cpu").code == 0


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ("{device: 3}", "`device` must be a string"),
        ("{memory: much}", "`memory` must be a number"),
        ("{memory: -1}", "`memory` must be at least 0"),
        ("{memory: .nan}", "memory is nan, not a number of GiB"),
        ("{gpu: 1}", "unknown key `gpu`"),
    ],
)
def test_wrong_needs_are_named_with_their_place(small, needs, message):
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace("options: {margin: 70}", f"needs: {needs}"))
    done = small("run", "small.yaml")
    assert done.code == 4 and message in done.err and "small.yaml:6" in done.err


def test_an_automatic_batch_is_recorded_and_changes_no_result(small):
    small("run", "small.yaml", "--out", "one")
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace('"./solver.py:build"}', '"./solver.py:build", batch_size: auto}'))
    done = small("run", "small.yaml", "--out", "auto")
    assert done.code == 0, done.err
    assert read_results(small.folder / "auto").equals(read_results(small.folder / "one"))
    file = small.folder / "auto/images/good/shapes/fog-3/00000.arrow"
    assert all(batch >= 1 for batch in read_table(file, IMAGES)[0].column("batch").to_pylist())
    small.write("small.yaml", text.replace('"./solver.py:build"}', '"./solver.py:build", batch_size: most}'))
    assert "small.yaml:5" in small("run", "small.yaml").err


HUNGRY = """
from solver import Solver


class Hungry(Solver):
    def predict(self, images, prompts=None):
        if len(images) > 2:
            raise MemoryError("no room for so many")
        return super().predict(images)


def build():
    return Hungry("", 47, 0.0)
"""


def test_where_memory_is_short_the_batch_is_halved_and_the_results_are_the_same(small):
    small("run", "small.yaml", "-k", "good", "--out", "one")
    small.write("hungry.py", HUNGRY)
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace('"./solver.py:build"}', '"./hungry.py:build", batch_size: 8}'))
    done = small("run", "small.yaml", "-k", "good", "--out", "halved", "--workers", "1")
    assert done.code == 0, done.err
    assert "model `good`: out of memory at batch" in done.err and "going on with 2" in done.err
    for condition in ("clean", "gaussian_noise-5", "fog-3", "mixed-1"):
        name = f"good/shapes/{condition}/00000.arrow"
        one, halved = (
            read_table(small.folder / run / "predictions" / name, PREDICTIONS)[0] for run in ("one", "halved")
        )
        assert halved.equals(one)
        batches = read_table(small.folder / "halved/images" / name, IMAGES)[0].column("batch").to_pylist()
        assert max(batches) <= 2


WIDE = """
segharness: 1
name: wide
models: [{id: many, model: "./many.py:build"}]
datasets:
  - id: wide
    dataset: coco/instances
    options: {annotations: wide/annotations.json, images: wide/images}
conditions: [glass_blur-3, elastic_transform-3, spatter-3, mixed]
"""

MANY = """
import os
import resource

import numpy as np


class Instances:
    def __init__(self, shape):
        n = 20
        self.boxes = np.tile(np.float32([5, 5, 300, 300]), (n, 1))
        self.scores = np.linspace(0.9, 0.1, n)
        self.labels = np.zeros(n, int)
        self.masks = np.zeros((n, *shape), bool)
        self.masks[:, 5:300, 5:300] = True


class Many:
    categories = ["disc"]

    def predict(self, images, prompts=None):
        with open(os.environ["PEAK"], "w") as file:
            file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
        return [Instances(image.shape[:2]) for image in images]


def build():
    return Many()
"""


@pytest.mark.slow
def test_a_worker_stays_under_2_gb_on_images_of_2048x1024_under_the_corruptions_that_take_most(small, make_coco):
    make_coco("wide", count=64, height=1024, width=2048)
    small.write("wide.yaml", WIDE)
    small.write("many.py", MANY)
    peak = small.folder / "peak"
    done = small("run", "wide.yaml", "--workers", "1", "--no-bootstrap", "-qq", env={"PEAK": str(peak)}, timeout=900)
    assert done.code == 0, done.err
    assert 0.3e9 < int(peak.read_text()) * 1024 < 2e9
