"""A model under another interpreter gives what it gives in this one."""

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
    made = []

    def make(**options):
        made.append(ForeignModel(sys.executable, (tmp_path / "m.py", "build"), options, None, "cpu"))
        return made[-1]

    yield make
    for model in made:
        model.close()


@pytest.mark.parametrize("kind", ["bits", "none", "rle"])
def test_instances_come_back_as_they_were(make, tmp_path, kind):
    space: dict = {}
    exec(MODEL, space)
    own = space["build"](kind).predict(IMAGES)
    foreign = make(kind=kind)
    assert foreign.categories == ["a", "b"]
    for _ in range(2):
        for mine, theirs in zip(own, foreign.predict(IMAGES), strict=True):
            for name in ("boxes", "scores", "labels"):
                a, b = getattr(mine, name), getattr(theirs, name)
                assert a.dtype == b.dtype and np.array_equal(a, b)
            if kind == "bits":
                assert np.array_equal(mine.masks, theirs.masks)
            elif kind == "none":
                assert theirs.masks is None
            else:
                assert theirs.masks[0] == {"size": list(mine.masks[0]["size"]), "counts": "0"}


def test_what_it_raises_is_said_and_costs_the_image(make):
    foreign = make()
    with pytest.raises(CellError, match="ValueError: unlucky"):
        foreign.predict([np.full((32, 32, 3), 14, np.uint8)])
    assert len(foreign.predict(IMAGES)) == 2


def test_a_process_that_ends_costs_its_worker(make):
    foreign = make()
    with pytest.raises(LostError, match="ended with exit code 5"):
        foreign.predict([np.full((32, 32, 3), 13, np.uint8)])


def test_out_of_memory_there_is_out_of_memory_here(make):
    with pytest.raises(MemoryError, match="RuntimeError: CUDA out of memory"):
        make().predict([np.full((32, 32, 3), 15, np.uint8)])


def test_what_was_found_stays_as_it_is_while_somebody_looks_at_it(make):
    """Answers lie in shared memory: a later one must not be written over an earlier one, and places are used again."""
    foreign = make()
    images = [np.random.default_rng(i).integers(20, 256, (40, 50, 3), dtype=np.uint8) for i in range(30)]
    kept = [foreign.predict([image])[0] for image in images]
    for image, found in zip(images, kept, strict=True):
        assert np.array_equal(found.masks, np.stack([image[..., c] > 100 for c in range(3)]))
    size = os.fstat(foreign._instances.handle).st_size
    del kept, found
    for image in images:
        foreign.predict([image])
    assert os.fstat(foreign._instances.handle).st_size == size


def test_a_line_that_is_no_answer_costs_the_worker_and_shifts_no_other(make):
    """A model that writes into the descriptors it inherited: what comes after cannot be believed."""
    foreign = make()
    with pytest.raises(LostError, match="answered 'stray'"):
        foreign.predict([np.full((32, 32, 3), 16, np.uint8)])


def test_what_is_no_python_is_said(tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    with pytest.raises(CellError, match="it must be Python 3.8 or newer, with numpy"):
        ForeignModel("/bin/true", (tmp_path / "m.py", "build"), {}, None, "cpu")


def test_an_interpreter_that_is_not_there_is_said(tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    with pytest.raises(CellError, match="No such file"):
        ForeignModel(str(tmp_path / "python"), (tmp_path / "m.py", "build"), {}, None, "cpu")


def test_the_child_needs_numpy_alone(tmp_path):
    from segharness.model import foreign_child

    code = f"import sys, runpy; runpy.run_path({foreign_child.__file__!r})\n"
    code += "print([m for m in sys.modules if 'segharness' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
