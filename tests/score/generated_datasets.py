"""Data sets for the tests of scoring: hypothesis strategies, pycocotools' own answers, tables of predictions."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness.store import IMAGES, PREDICTIONS, table

SIZE = 24


def as_predictions(results: list[dict]) -> pa.Table:
    """Turn a COCO result list into a predictions table."""
    return table(
        PREDICTIONS,
        {
            "image_id": [r["image_id"] for r in results],
            "category_id": [r["category_id"] for r in results],
            "score": [r["score"] for r in results],
            "bbox": [r.get("bbox", [0, 0, 0, 0]) for r in results],
            "mask": [r["segmentation"]["counts"] if "segmentation" in r else None for r in results],
            "annotation_id": [r.get("annotation_id") for r in results],
        },
    )


def as_images(truth: dict, **columns) -> pa.Table:
    """Return the images table of a cell; `columns` holds one value for all images, or a list of values."""
    count = len(truth["images"])
    blank = {name: [0] * count for name in IMAGES.names}
    blank |= {
        field.name: [None] * count
        for field in IMAGES
        if field.nullable and field.name not in ("seconds", "batch", "call")
    }
    blank |= {name: [value] * count if not isinstance(value, list) else value for name, value in columns.items()}
    blank["image_id"] = [image["id"] for image in truth["images"]]
    return table(IMAGES, blank)


def evaluated(truth: dict, results: list[dict], task: str, kind: type = COCOeval, **parameters) -> COCOeval:
    """Run pycocotools as its demo does: loadRes, evaluate, accumulate; `parameters` are set on its params."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = json.loads(json.dumps(truth))
        gt.createIndex()
        if results:
            dt = gt.loadRes([dict(r) for r in results])  # loadRes changes the results
        else:
            dt = COCO()
            dt.dataset = {**gt.dataset, "annotations": []}
            dt.createIndex()
        evaluation = kind(gt, dt, task)
        for name, value in parameters.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def reference_stats(truth: dict, results: list[dict], task: str) -> list[float]:
    """Return the 12 numbers of pycocotools' summarize, -1 for undefined ones."""
    evaluation = evaluated(truth, results, task)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return [float(v) for v in evaluation.stats]


def plain(results: list[dict], task: str) -> list[dict]:
    """Return results with only the box or only the mask, whichever the task needs, as in result files."""
    key = "bbox" if task == "bbox" else "segmentation"
    return [{k: r[k] for k in ("image_id", "category_id", "score", key)} for r in results]


def encoded(mask: np.ndarray) -> dict:
    """Return a mask as a COCO RLE with counts as text."""
    compressed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(compressed["size"]), "counts": compressed["counts"].decode()}


def make(rng: np.random.Generator, images: int, detections: list[int], size: int = SIZE, distinct: bool = False):
    """Return a small data set and results: ties, crowds, empty images, empty and full masks, many detections, ids of 0.

    `detections` is the number of detections of each image. With `distinct`, no two scores are equal.
    """
    kinds = [int(rng.integers(0, 2)), 4]
    categories = [{"id": id, "name": name} for id, name in zip(kinds, ("c1", "c4"), strict=True)]
    first = int(rng.integers(0, 2))

    def shape():
        mask = np.zeros((size, size), np.uint8)
        kind = rng.integers(8)
        if kind == 0:
            return mask
        if kind == 1:
            return mask + 1
        x, y, w, h = rng.integers(0, size - 4), rng.integers(0, size - 4), rng.integers(1, 20), rng.integers(1, 20)
        mask[y : y + h, x : x + w] = 1
        return mask

    annotations, results, shapes = [], [], []
    image_entries = [{"id": i, "height": size, "width": size} for i in range(first, images + first)]
    for image, count in zip(image_entries, detections, strict=True):
        for _ in range(rng.integers(0, 5)):
            mask = shape()
            shapes.append(mask)
            compressed = encoded(mask)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": int(rng.choice(kinds)),
                    "iscrowd": int(rng.random() < 0.2),
                    "segmentation": compressed,
                    "bbox": rle.toBbox(compressed).tolist(),
                    "area": float(mask.sum()) * float(rng.choice([1, 1, 8])),
                }
            )
        for _ in range(count):
            mask = shapes[rng.integers(len(shapes))] if shapes and rng.random() < 0.5 else shape()
            compressed = encoded(mask)
            score = rng.random() if distinct else float(np.float32(rng.choice([0.1, 0.5, 0.5, rng.random()])))
            results.append(
                {
                    "image_id": image["id"],
                    "category_id": int(rng.choice(kinds)),
                    "score": float(score),
                    "segmentation": compressed,
                    "bbox": rle.toBbox(compressed).tolist(),
                }
            )
    return {"images": image_entries, "annotations": annotations, "categories": categories}, results


@st.composite
def problems(draw):
    """Generate what `make` makes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = draw(st.integers(1, 3))
    return make(rng, images, [draw(st.sampled_from([0, 2, 6, 130])) for _ in range(images)])
