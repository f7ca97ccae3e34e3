"""The cost of `python:`: a model in a foreign environment's process against the same model in this process.

    python benchmarks/foreign.py [--python PATH] [--calls 200]

Images of 640x480, 20 masks each. Prints how many milliseconds more a call takes there; medians of calls in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np


class Instances:
    """Twenty equal instances of an image."""

    def __init__(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        self.boxes = np.tile(np.float32([5, 5, 200, 200]), (20, 1))
        self.scores = np.linspace(0.9, 0.1, 20).astype(np.float32)
        self.labels = np.zeros(20, dtype=np.int64)
        self.masks = np.zeros((20, height, width), dtype=bool)
        self.masks[:, 5:200, 5:200] = True


class Boxes:
    """A model that returns the same instances for every image."""

    categories = ("thing",)

    def predict(self, images, prompts=None):
        """Return the instances of uint8 RGB images (H, W, 3)."""
        return [Instances(image) for image in images]


def build() -> Boxes:
    """Return the model."""
    return Boxes()


def main() -> None:
    """Time both models in turn."""
    from segharness.model.foreign import ForeignModel

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--calls", type=int, default=200)
    args = parser.parse_args()
    foreign = ForeignModel(args.python, (Path(__file__).resolve(), "build"), {}, {"device": "cpu"})
    local = build()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {"here": [], "there": []}
    for _ in range(args.calls):
        for name, model in (("here", local), ("there", foreign)):
            began = time.perf_counter()
            [instances] = model.predict([image])
            seconds[name].append(time.perf_counter() - began)
            assert instances.masks[0, 10, 10] and not instances.masks[0, 300, 300]
    foreign.close()
    medians = {name: 1000 * statistics.median(times) for name, times in seconds.items()}
    print(
        f"here {medians['here']:.2f} ms, there {medians['there']:.2f} ms: "
        f"{medians['there'] - medians['here']:.2f} ms more an image (medians of {args.calls} calls in turn)"
    )


if __name__ == "__main__":
    main()
