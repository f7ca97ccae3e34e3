"""A model under a foreign interpreter returns what it returns in this one."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from segharness.errors import CellError, LostError
from segharness.model.foreign import ForeignModel

MODEL = """
import os, sys
import numpy as np

class Instances:
    def __init__(self, image, kind):
        n = 3
        self.boxes = np.arange(4 * n, dtype=np.float32).reshape(n, 4) + np.float32([0, 0, 9, 9])
        self.scores = np.float32([image.mean(), image[0, 0, 0], 0.5])
        self.labels = np.array([0, 1, 0], dtype=np.int16)
        masks = np.stack([image[..., c] > 100 for c in range(n)])
        self.masks = {"bits": masks, "none": None, "rle": [{"size": masks.shape[1:], "counts": b"0"} for _ in masks]}[kind]

class M:
    categories = ["a", "b"]
    def __init__(self, kind, device):
        self.kind, self.device = kind, device
    def predict(self, images, prompts=None):
        print("noise on stdout", flush=True)
        if images[0].max() == 13:
            os._exit(5)
        if images[0].max() == 14:
            raise ValueError("unlucky")
        if images[0].max() == 16:
            for handle in range(3, 30):
                try:
                    os.write(handle, b"stray" + bytes([10]))
                except OSError:
                    pass
        if images[0].max() == 15:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return [Instances(image, self.kind) for image in images]

def build(kind="bits", device=None):
    return M(kind, device)
"""

IMAGES = [np.random.default_rng(i).integers(20, 256, (30 + i, 40, 3), dtype=np.uint8) for i in range(2)]


@pytest.fixture
def make(tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    models = []

    def make(**options):
        models.append(ForeignModel(sys.executable, (tmp_path / "m.py", "build"), options, {"device": "cpu"}))
        return models[-1]

    yield make
    for model in models:
        model.close()


@pytest.mark.parametrize("kind", ["bits", "none", "rle"])
def test_instances_come_back_as_they_were(make, tmp_path, kind):
    namespace: dict = {}
    exec(MODEL, namespace)
    local_results = namespace["build"](kind).predict(IMAGES)
    foreign = make(kind=kind)
    assert foreign.categories == ["a", "b"]
    for _ in range(2):
        for expected, actual in zip(local_results, foreign.predict(IMAGES), strict=True):
            for name in ("boxes", "scores", "labels"):
                a, b = getattr(expected, name), getattr(actual, name)
                assert a.dtype == b.dtype and np.array_equal(a, b)
            if kind == "bits":
                assert np.array_equal(expected.masks, actual.masks)
            elif kind == "none":
                assert actual.masks is None
            else:
                assert actual.masks[0] == {"size": list(expected.masks[0]["size"]), "counts": "0"}


def test_an_error_of_the_model_is_named_and_costs_the_image(make):
    foreign = make()
    with pytest.raises(CellError, match="ValueError: unlucky"):
        foreign.predict([np.full((32, 32, 3), 14, np.uint8)])
    assert len(foreign.predict(IMAGES)) == 2


def test_a_process_that_ends_costs_its_worker(make):
    foreign = make()
    with pytest.raises(LostError, match="ended with exit code 5"):
        foreign.predict([np.full((32, 32, 3), 13, np.uint8)])


def test_out_of_memory_under_the_foreign_interpreter_is_a_memory_error(make):
    with pytest.raises(MemoryError, match="RuntimeError: CUDA out of memory"):
        make().predict([np.full((32, 32, 3), 15, np.uint8)])


def test_instances_stay_unchanged_while_an_array_refers_to_them(make):
    """Answers are in shared memory: a later one must not overwrite an earlier one, and free regions are used again."""
    foreign = make()
    images = [np.random.default_rng(i).integers(20, 256, (40, 50, 3), dtype=np.uint8) for i in range(30)]
    results = [foreign.predict([image])[0] for image in images]
    for image, instances in zip(images, results, strict=True):
        assert np.array_equal(instances.masks, np.stack([image[..., c] > 100 for c in range(3)]))
    size = os.fstat(foreign._instances.handle).st_size
    del results, instances
    for image in images:
        foreign.predict([image])
    assert os.fstat(foreign._instances.handle).st_size == size


def test_a_line_that_is_no_answer_costs_the_worker(make):
    """The model writes to the descriptors that it inherited: later lines cannot be trusted."""
    foreign = make()
    with pytest.raises(LostError, match="answered 'stray'"):
        foreign.predict([np.full((32, 32, 3), 16, np.uint8)])


def test_a_program_that_is_not_python_is_refused(tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    with pytest.raises(CellError, match="it must be Python 3.8 or newer, with numpy"):
        ForeignModel("/bin/true", (tmp_path / "m.py", "build"), {}, {"device": "cpu"})


def test_a_missing_interpreter_is_refused(tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    with pytest.raises(CellError, match="No such file"):
        ForeignModel(str(tmp_path / "python"), (tmp_path / "m.py", "build"), {}, {"device": "cpu"})


def test_the_child_needs_numpy_alone(tmp_path):
    from segharness.model import foreign_child

    code = f"import sys, runpy; runpy.run_path({foreign_child.__file__!r})\n"
    code += "print([m for m in sys.modules if 'segharness' in m])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
