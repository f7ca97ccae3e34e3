"""Time and memory of scoring: scores a run folder of COCO val2017's size with the command line.

    python benchmarks/scoring.py                     # 5000 images x 100 detections x 17 conditions, mask and box AP
    python benchmarks/scoring.py --bootstrap         # a model and its reference, masks, 50 detections, 16 conditions
    python benchmarks/scoring.py --images 500        # a tenth of it

The data are generated: ellipses of every size in 80 categories; some of the detections lie on ground truths. The first
form also scores a slice with pycocotools alone, as by hand, and prints how many times longer that takes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from hotcoco import mask as rle
from segharness.data.open_dataset import open_dataset
from segharness.digests import digest
from segharness.execution.input_digests import find_inputs, resolve_all_weights
from segharness.execution.manifest import make_manifest
from segharness.identity import protocol_inputs
from segharness.plugin.host import PluginHost
from segharness.store import IMAGES, PREDICTIONS, RunFolder, table, write_shard
from segharness.suite import load_suite

HEIGHT, WIDTH, CATEGORIES, SHAPES = 480, 640, 80, 1500

SUITE = """
segharness: 1
name: scoring
models: [{models}]
reference: first
datasets: [{{id: made, dataset: coco/instances, options: {{annotations: annotations.json}}}}]
conditions: [{conditions}]
scoring: {{tasks: [{tasks}]}}
"""


class Shapes:
    """A bank of ellipses: lists of their RLE counts, boxes and areas."""

    def __init__(self, rng: np.random.Generator) -> None:
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        self.counts, self.boxes, self.areas = [], [], []
        for _ in range(SHAPES):
            size = np.exp(rng.uniform(np.log(6), np.log(150)))
            a, b = size * rng.uniform(0.7, 1.3, 2)
            cy, cx = rng.uniform(0, HEIGHT), rng.uniform(0, WIDTH)
            mask = rle.encode(np.asfortranarray((((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1).astype(np.uint8)))
            self.counts.append(mask["counts"])
            self.boxes.append(rle.to_bbox(mask).tolist())
            self.areas.append(float(rle.area(mask)))


def categories(rng: np.random.Generator, count: int) -> Any:
    """Return random category ids, distributed about as unevenly as COCO's."""
    weights = 1 / np.arange(1, CATEGORIES + 1)
    return rng.choice(CATEGORIES, count, p=weights / weights.sum()) + 1


def ground_truth(rng: np.random.Generator, shapes: Shapes, images: int) -> dict[str, Any]:
    """Return the ground truth as the content of a COCO file."""
    annotations: list[dict[str, Any]] = []
    for image_id in range(1, images + 1):
        for category in categories(rng, int(rng.poisson(7.3))):
            shape = int(rng.integers(SHAPES))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(category),
                    "iscrowd": int(rng.random() < 0.01),
                    "segmentation": {"size": [HEIGHT, WIDTH], "counts": shapes.counts[shape].decode()},
                    "bbox": shapes.boxes[shape],
                    "area": shapes.areas[shape],
                    "shape": shape,
                }
            )
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"category {i}"} for i in range(1, CATEGORIES + 1)],
    }


def make(folder: Path, images: int, detections: int, models: int, conditions: str, tasks: str) -> RunFolder:
    """Write annotations, a suite, and a run folder as a run would leave it; return the folder."""
    rng = np.random.default_rng(0)
    shapes = Shapes(rng)
    truth = ground_truth(rng, shapes, images)
    (folder / "annotations.json").write_text(json.dumps(truth))
    (folder / "none").mkdir()
    names = ", ".join(f"{{id: {id}, model: coco-results/none}}" for id in ("first", "second")[:models])
    (folder / "scoring.yaml").write_text(SUITE.format(models=names, conditions=conditions, tasks=tasks))
    host = PluginHost.load()
    suite = load_suite(folder / "scoring.yaml", host).suite
    opened = open_dataset(suite.datasets[0], host)
    inputs = find_inputs(suite, host, {"made": opened.dataset.digest}, resolve_all_weights(suite, host, ()))
    run = RunFolder(folder / "run")
    run.write_manifest(make_manifest(suite, host, inputs, digest(protocol_inputs(suite, inputs)), ["cpu"]))
    near: dict[int, list[Any]] = {}
    for annotation in truth["annotations"]:
        near.setdefault(annotation["image_id"], []).append(annotation)
    for model in suite.models:
        for condition in suite.conditions:
            for shard in opened.shards:
                ids = [sample.image_id for sample in opened.samples[shard.start : shard.stop]]
                write_shard(
                    run.shard_files(model.id, "made", condition.name, shard.index),
                    predictions(rng, shapes, near, ids, detections),
                    image_rows(ids, detections),
                    inputs.of(model.id, "made", condition.name, shard),
                )
    return run


def predictions(
    rng: np.random.Generator, shapes: Shapes, near: dict[int, list[Any]], ids: list[int], detections: int
) -> Any:
    """Return the detections of a shard as an Arrow table; a seventh lie on ground truths, with higher scores."""
    count = len(ids) * detections
    shape, category = rng.integers(0, SHAPES, count), categories(rng, count)
    score = rng.beta(1, 5, count)
    for row in np.flatnonzero(rng.random(count) < 0.15):
        annotations = near.get(ids[row // detections])
        if annotations:
            target = annotations[int(rng.integers(len(annotations)))]
            shape[row], category[row], score[row] = target["shape"], target["category_id"], rng.beta(3, 2)
    rows = {
        "image_id": np.repeat(ids, detections),
        "category_id": category,
        "score": score.astype(np.float32).astype(np.float64),
        "bbox": [shapes.boxes[i] for i in shape],
        "mask": [shapes.counts[i] for i in shape],
        "annotation_id": [None] * count,
    }
    return table(PREDICTIONS, rows)


def image_rows(ids: list[int], detections: int) -> Any:
    """Return the table of a shard's images."""
    blank: dict[str, Any] = {name: [None] * len(ids) for name in IMAGES.names}
    sizes = {"height": HEIGHT, "width": WIDTH, "n_instances": detections, "dropped": 0, "clipped": 0}
    return table(IMAGES, {**blank, "image_id": ids, **{name: [value] * len(ids) for name, value in sizes.items()}})


def by_hand(folder: Path, run: RunFolder, images: int) -> float:
    """Return the seconds that pycocotools takes for both tasks of one cell, with all data in memory."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    from segharness.store import read_table

    files = sorted(Path(str(run.path), "predictions/first/made/clean").glob("*.arrow"))
    rows = [row for file in files for row in read_table(file, PREDICTIONS)[0].to_pylist()]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "annotations.json"))
        began = time.perf_counter()
        for task, key in (("segm", "segmentation"), ("bbox", "bbox")):
            results = [
                {
                    "image_id": row["image_id"],
                    "category_id": row["category_id"],
                    "score": row["score"],
                    key: row["bbox"] if key == "bbox" else {"size": [HEIGHT, WIDTH], "counts": row["mask"]},
                }
                for row in rows
            ]
            evaluation = COCOeval(truth, truth.loadRes(results), task)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return time.perf_counter() - began


def score(run: RunFolder, *arguments: str) -> tuple[float, float]:
    """Return the seconds and the gigabytes that ``segharness score`` takes."""
    folder = Path(str(run.path)).parent
    places = ("--dataset", f"made=annotations={folder / 'annotations.json'}")
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}  # where the data lie is forgotten with them
    began = time.perf_counter()
    command = [sys.executable, "-m", "segharness", "score", str(run.path), "-q", *places, *arguments]
    subprocess.run(command, check=True, env=environment)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.perf_counter() - began, peak / (1e9 if sys.platform == "darwin" else 1e6)


def main() -> None:
    """Print the times, and pycocotools' time for a slice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--slice", type=int, default=500, help="images that pycocotools is timed on")
    parser.add_argument("--bootstrap", action="store_true", help="time intervals instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.bootstrap:
            run = make(folder, args.images, 50, 2, "clean, paper15", "segm")
            seconds, peak = score(run, "--bootstrap", "1000")
            print(
                f"{args.images} images x 50 detections x 16 conditions x 2 models, B = 1000: "
                f"{seconds:.0f} s, {peak:.1f} GB"
            )
            return
        run = make(folder, args.images, 100, 1, "clean, paper15, mixed", "segm, bbox")
        seconds, peak = score(run, "--no-bootstrap")
        print(f"{args.images} images x 100 detections x 17 conditions x 2 tasks: {seconds:.0f} s, {peak:.1f} GB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = make(folder, args.slice, 100, 1, "clean, paper15, mixed", "segm, bbox")
        own, _ = score(run, "--no-bootstrap")
        reference = 17 * by_hand(folder, run, args.slice)
        print(
            f"{args.slice} images: {own:.1f} s, pycocotools {reference:.0f} s (17 times one condition's "
            f"{reference / 17:.1f} s): {reference / own:.1f} times as long"
        )


if __name__ == "__main__":
    main()
