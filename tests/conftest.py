"""What all tests share: a small COCO data set, and a model that solves it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {"square": (220, 40, 40), "disc": (40, 200, 60)}


def draw(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Return a picture of two or three shapes that do not touch, and their masks."""
    image = np.full((height, width, 3), 90, dtype=np.uint8)
    image += rng.integers(0, 12, image.shape, dtype=np.uint8)
    found = []
    y, x = np.mgrid[:height, :width]
    for column in range(int(rng.integers(2, 4))):
        name = ("square", "disc")[int(rng.integers(2))]
        radius = int(rng.integers(6, 10))
        cy, cx = int(rng.integers(12, height - 12)), 14 + 24 * column
        square = (abs(y - cy) < radius) & (abs(x - cx) < radius)
        mask = square if name == "square" else (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        image[mask] = COLOURS[name]
        found.append((name, mask))
    return image, found


def write_coco(folder: Path, count: int = 6, height: int = 64, width: int = 80, seed: int = 0) -> Path:
    """Write a COCO data set: ``annotations.json`` and ``images/``."""
    from pycocotools import mask as rle

    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    content: dict[str, list] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 3, "name": "square"}, {"id": 7, "name": "disc"}],
    }
    for image_id in range(1, count + 1):
        pixels, shapes = draw(rng, height, width)
        name = f"{image_id:04d}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        content["images"].append({"id": image_id, "file_name": name, "height": height, "width": width})
        for label, mask in shapes:
            encoded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": {"square": 3, "disc": 7}[label],
                    "bbox": rle.toBbox(encoded).tolist(),
                    "area": float(rle.area(encoded)),
                    "iscrowd": 0,
                    "segmentation": {"size": [height, width], "counts": encoded["counts"].decode()},
                }
            )
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    """The folder of every distribution as wheel and sdist, built once a session."""
    from tests import distributions

    base = tmp_path_factory.getbasetemp()
    return distributions.built(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory, wheels):
    """A function that makes an environment without the checkout, with the distributions given, from wheels alone."""
    from tests.distributions import Environment

    def make(*requirements: str) -> Environment:
        environment = Environment(tmp_path_factory.mktemp("environment") / "env", wheels)
        if requirements:
            environment.install(*requirements)
        return environment

    return make


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A data set of six images of 64x80, in ``tmp_path/coco``."""
    return write_coco(tmp_path / "coco")


@pytest.fixture
def make_coco(tmp_path: Path):
    """A function that writes a data set of any size into ``tmp_path/NAME``."""
    return lambda name, **sizes: write_coco(tmp_path / name, **sizes)


@pytest.fixture(scope="session")
def benchmark_script():
    """A function that imports a script of benchmarks/ by its name."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(
            f"benchmark_{name}", Path(__file__).resolve().parents[1] / "benchmarks" / f"{name}.py"
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


SOLVER = '''
"""A model that finds the red and green shapes of the tests' pictures by colour. `mode` makes it misbehave."""

import os
import signal
import time

import numpy as np

CATEGORIES = ["background", "disc", "square"]


class Instances:
    def __init__(self, boxes, scores, labels, masks):
        self.boxes, self.scores, self.labels, self.masks = boxes, scores, labels, masks


class Solver:
    categories = CATEGORIES

    def __init__(self, mode, margin, seconds):
        self.mode, self.margin, self.seconds, self.calls = mode, margin, seconds, 0

    def predict(self, images, prompts=None):
        self.calls += 1
        time.sleep(self.seconds)
        return [self._one(image) for image in images]

    def _one(self, image):
        bad = self.mode if self.calls == 8 else ""  # the second image under the second condition
        if bad == "raise":
            raise RuntimeError("the model fell over")
        if bad == "exit":
            os._exit(7)
        if bad == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        pixels = image.astype(int)
        red = pixels[..., 0] - pixels[..., 1] > self.margin
        green = pixels[..., 1] - pixels[..., 0] > self.margin
        masks, labels = [], []
        for label, colour in ((2, red), (1, green)):
            for first in range(2, 80, 24):
                part = np.zeros_like(colour)
                part[:, first : first + 24] = colour[:, first : first + 24]
                if part.sum() > 20:
                    masks.append(part)
                    labels.append(label)
        boxes = []
        for mask in masks:
            y, x = np.nonzero(mask)
            boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        count = len(masks)
        boxes = np.array(boxes, dtype=np.float32).reshape(count, 4)
        scores = np.linspace(0.9, 0.5, count).astype(np.float32)
        labels = np.array(labels, dtype=np.int64)
        masks = np.array(masks, dtype=bool).reshape(count, *image.shape[:2])
        if bad == "nan":
            scores[0] = np.nan
        if bad == "inverted":
            boxes[0] = boxes[0][[2, 3, 0, 1]]
        if bad == "mask_size":
            masks = masks[:, :-1]
        if bad == "label":
            labels[0] = 9
        if bad == "length":
            scores = scores[:-1]
        if bad == "print":
            print("{" * 100)
        return Instances(boxes, scores, labels, masks)


def build(mode="", margin=47, seconds=0.0):
    if mode == "build":
        raise RuntimeError("cannot be built")
    return Solver(mode, margin, seconds)
'''

SUITE = """
segharness: 1
name: small
seed: 5
models:
  - {id: good, model: "./solver.py:build"}
  - {id: other, model: "./solver.py:build", options: {margin: 70}}
reference: good
datasets:
  - id: shapes
    dataset: coco/instances
    options: {annotations: coco/annotations.json, images: coco/images}
conditions: [clean, gaussian_noise-5, fog-3, mixed]
"""


@pytest.fixture
def small(harness, coco):
    """The command line in a folder with the data set, a solver, and ``small.yaml``: two models, four conditions."""
    harness.write("solver.py", SOLVER)
    harness.write("small.yaml", SUITE)
    return harness
