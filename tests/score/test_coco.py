"""COCO's numbers: bit by bit those of pycocotools, on its own demo and on generated data sets."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness.builtin import COCO_METRICS
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.coco import score
from segharness.store import PREDICTIONS, table
from segharness.suite import Split

ENGINES = ["hotcoco", "pycocotools"]


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
            "annotation_id": [None] * len(results),
        },
    )


def overall(scores, split="all"):
    return [s.value for name in COCO_METRICS for s in scores if (s.metric, s.split, s.category) == (name, split, None)]


def reference_stats(truth: dict, results: list[dict], task: str) -> list[float]:
    """Run pycocotools as its demo does: loadRes, evaluate, accumulate, summarize."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = json.loads(json.dumps(truth))
        gt.createIndex()
        if results:
            dt = gt.loadRes([dict(r) for r in results])  # loadRes writes into what it is given
        else:
            dt = COCO()
            dt.dataset = {**gt.dataset, "annotations": []}
            dt.createIndex()
        evaluation = COCOeval(gt, dt, task)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(v) for v in evaluation.stats]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("task", "name", "ap", "ap50"),
    [("segm", "fakesegm100", 0.3195453, 0.5622884), ("bbox", "fakebbox100", 0.5045807, 0.6969727)],
)
def test_cocoapis_demo_to_the_last_bit(shared, engine, task, name, ap, ap50):
    folder = shared / "data/coco-oracle"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / f"instances_val2014_{name}_results.json").read_text())
    numbers = overall(score(ScoreRequest(GroundTruth(truth), as_predictions(results), task, (), engine)))
    assert numbers == reference_stats(truth, results, task)
    assert numbers[:2] == pytest.approx([ap, ap50], abs=5e-8)


SIZE = 24


@st.composite
def problems(draw):
    """Generate a small data set and detections: ties, crowds, empty images, empty and full masks, many detections."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    categories = [{"id": i, "name": f"c{i}"} for i in (1, 4)]
    images = [{"id": i, "height": SIZE, "width": SIZE} for i in range(1, draw(st.integers(1, 3)) + 1)]

    def shape():
        mask = np.zeros((SIZE, SIZE), np.uint8)
        kind = rng.integers(8)
        if kind == 0:
            return mask
        if kind == 1:
            return mask + 1
        x, y, w, h = rng.integers(0, SIZE - 4), rng.integers(0, SIZE - 4), rng.integers(1, 20), rng.integers(1, 20)
        mask[y : y + h, x : x + w] = 1
        return mask

    def encoded(mask):
        found = rle.encode(np.asfortranarray(mask))
        return {"size": found["size"], "counts": found["counts"].decode()}

    annotations, results, shapes = [], [], []
    for image in images:
        for _ in range(rng.integers(0, 5)):
            mask = shape()
            shapes.append(mask)
            found = encoded(mask)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": int(rng.choice([1, 4])),
                    "iscrowd": int(rng.random() < 0.2),
                    "segmentation": found,
                    "bbox": rle.toBbox(found).tolist(),
                    "area": float(mask.sum()) * float(rng.choice([1, 1, 8])),
                }
            )
        for _ in range(draw(st.sampled_from([0, 2, 6, 130]))):
            mask = shapes[rng.integers(len(shapes))] if shapes and rng.random() < 0.5 else shape()
            found = encoded(mask)
            results.append(
                {
                    "image_id": image["id"],
                    "category_id": int(rng.choice([1, 4])),
                    "score": float(np.float32(rng.choice([0.1, 0.5, 0.5, rng.random()]))),
                    "segmentation": found,
                    "bbox": rle.toBbox(found).tolist(),
                }
            )
    return {"images": images, "annotations": annotations, "categories": categories}, results


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from(["segm", "bbox"]))
def test_both_engines_give_pycocotools_bits(problem, task):
    truth, results = problem
    key = "segmentation" if task == "segm" else "bbox"
    plain = [{k: r[k] for k in ("image_id", "category_id", "score", key)} for r in results]
    expected = [None if v == -1 else v for v in reference_stats(truth, plain, task)]
    for engine in ENGINES:
        scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), task, (), engine))
        assert overall(scores) == expected, engine


def simple():
    """Two images, categories 1 and 4; the detections of category 1 are perfect, those of 4 are absent."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2:20, 3:15] = 1
    found = rle.encode(np.asfortranarray(mask))
    shape = {"size": found["size"], "counts": found["counts"].decode()}
    annotations = [
        {"id": i, "image_id": image, "category_id": c, "iscrowd": 0, "segmentation": shape,
         "bbox": [3, 2, 12, 18], "area": 216.0}
        for i, (image, c) in enumerate([(1, 1), (2, 1), (2, 4)], 1)
    ]  # fmt: skip
    truth = {
        "images": [{"id": i, "height": SIZE, "width": SIZE} for i in (1, 2)],
        "annotations": annotations,
        "categories": [{"id": 4, "name": "dog"}, {"id": 1, "name": "cat"}],
    }
    results = [
        {"image_id": i, "category_id": 1, "score": 0.5, "segmentation": shape, "bbox": [3, 2, 12, 18]} for i in (1, 2)
    ]
    return truth, results


def test_splits_and_single_categories():
    truth, results = simple()
    splits = (Split("cats", ("cat",)), Split("rest", ("cat",), complement=True))
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", splits))
    assert overall(scores)[0] == 0.5
    assert overall(scores, "cats")[0] == 1.0 and overall(scores, "rest")[0] == 0.0
    by_category = {(s.category, s.metric): s for s in scores if s.category}
    assert by_category["cat", "AP"].value == 1.0 and by_category["dog", "AP50"].value == 0.0
    assert by_category["cat", "AP"].n_instances == 2 and by_category["cat", "AP"].n_images == 2


def test_numbers_without_ground_truth_are_null_with_the_reason():
    truth, results = simple()
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm"))
    [large] = [s for s in scores if s.metric == "AP_L" and s.category is None]
    assert (large.value, large.reason) == (None, "no ground truth")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("task", ["segm", "bbox"])
def test_no_detections_score_zero(engine, task):
    truth, _ = simple()
    assert overall(score(ScoreRequest(GroundTruth(truth), as_predictions([]), task, (), engine)))[0] == 0.0


def test_a_detector_has_no_mask_ap():
    truth, results = simple()
    boxes = [{k: v for k, v in r.items() if k != "segmentation"} for r in results]
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(boxes), "segm"))
    assert {s.reason for s in scores} == {"the model gives no masks"}
    assert overall(score(ScoreRequest(GroundTruth(truth), as_predictions(boxes), "bbox")))[0] == 0.5


def test_the_area_of_a_detection_is_its_masks():
    """A result with a box would be measured by the box: a thin cross in a large box is small, its box is not."""
    truth, _ = simple()
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[0, 0] = mask[-1, -1] = 1
    counts = rle.encode(np.asfortranarray(mask))["counts"].decode()
    shape = {"size": [SIZE, SIZE], "counts": counts}
    results = [{"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": shape, "bbox": [0, 0, 40, 40]}]
    plain = [{k: v for k, v in r.items() if k != "bbox"} for r in results]
    for engine in ENGINES:
        numbers = overall(score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", (), engine)))
        assert [-1 if n is None else n for n in numbers] == reference_stats(truth, plain, "segm")
