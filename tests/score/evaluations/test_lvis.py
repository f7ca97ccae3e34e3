"""LVIS's AP agrees with the package ``lvis`` (0.5.3) to 1e-12, on generated federated data."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from unittest.mock import patch

import lvis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from segharness import ScoreRequest
from segharness.score.evaluations.lvis import METRICS, score
from segharness.score.request import GroundTruth
from segharness.store import PREDICTIONS, table
from segharness.suite import Split

PACKAGE_NAMES = {"AP_S": "APs", "AP_M": "APm", "AP_L": "APl", "AR300": "AR@300", "AR_S": "ARs@300", "AR_M": "ARm@300",
          "AR_L": "ARl@300"}  # fmt: skip
SIZE = 160


def make(seed: int, images: int, categories: int, crowded: bool = False) -> tuple[dict, list[dict]]:
    """Return a federated ground truth, and detections with ties and of categories that are not annotated."""
    rng = np.random.default_rng(seed)
    content = {
        "images": [],
        "annotations": [],
        "categories": [
            {"id": k, "name": f"k{k}", "frequency": "rcf"[k % 3], "synonyms": [f"k{k}"]}
            for k in range(1, categories + 1)
        ],
    }
    detections = []
    for image_id in range(1, images + 1):
        shuffled = rng.permutation(np.arange(1, categories + 1))
        positive, negative, not_exhaustive = shuffled[:3].tolist(), shuffled[3:5].tolist(), shuffled[:1].tolist()
        content["images"].append(
            {
                "id": image_id,
                "height": SIZE,
                "width": SIZE,
                "neg_category_ids": negative,
                "not_exhaustive_category_ids": not_exhaustive,
            }
        )
        for category in positive:
            for _ in range(int(rng.integers(0, 4))):
                content["annotations"].append(_annotation(rng, len(content["annotations"]) + 1, image_id, category))
        truths = [a for a in content["annotations"] if a["image_id"] == image_id]
        for truth in truths:
            if rng.random() < 0.8:
                jitter = rng.integers(-2, 3, 4)
                detections.append(_detection(rng, image_id, truth["category_id"], np.array(truth["bbox"]) + jitter))
        for _ in range(400 if crowded else 6):
            category = int(rng.integers(1, categories + 1))
            detections.append(_detection(rng, image_id, category, _box(rng)))
    return content, detections


def _box(rng):
    x, y = rng.integers(0, SIZE - 20, 2)
    limit = int(SIZE - max(x, y))
    w, h = rng.integers(4, max(5, min(130, limit)), 2)
    return np.array([x, y, w, h])


def _annotation(rng, id, image_id, category):
    box = _box(rng)
    return {
        "id": id, "image_id": image_id, "category_id": category, "bbox": box.tolist(), "area": int(box[2] * box[3]),
        "segmentation": [_polygon(box)],
    }  # fmt: skip


def _polygon(box):
    x, y, w, h = (int(v) for v in box)
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def _detection(rng, image_id, category, box):
    box = np.concatenate([np.clip(box[:2], 0, SIZE - 8), np.maximum(box[2:], 2)])
    return {"image_id": image_id, "category_id": category, "bbox": box, "score": float(rng.integers(1, 200)) / 200}


def harness_scores(content, detections, task, splits=()):
    masks = [rle.frPyObjects([_polygon(d["bbox"])], SIZE, SIZE)[0]["counts"] for d in detections]
    predictions = table(
        PREDICTIONS,
        {
            "image_id": [d["image_id"] for d in detections],
            "category_id": [d["category_id"] for d in detections],
            "score": [d["score"] for d in detections],
            "bbox": [d["bbox"].astype(float).tolist() for d in detections],
            "mask": masks,
            "annotation_id": [None] * len(detections),
        },
    )
    truth = {**content, "annotations": [{"iscrowd": 0, **a} for a in content["annotations"]]}
    return score(ScoreRequest(GroundTruth(truth), predictions, task, splits))


def package_numbers(content, detections, task):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gt.json"
        file.write_text(json.dumps(content))
        truth = lvis.LVIS(str(file))
    results = []
    for d in detections:
        row = {"image_id": d["image_id"], "category_id": d["category_id"], "score": d["score"]}
        if task == "bbox":
            row["bbox"] = d["bbox"].astype(float).tolist()
        else:
            row["segmentation"] = rle.frPyObjects([_polygon(d["bbox"])], SIZE, SIZE)[0]
        results.append(row)
    evaluation = lvis.LVISEval(truth, lvis.LVISResults(truth, copy.deepcopy(results), max_dets=300), task)
    with patch.object(np, "float", float, create=True):  # the package still calls it
        evaluation.run()
    return evaluation.get_results()


def assert_agreement(content, detections, task):
    expected = package_numbers(content, detections, task)
    values = {s.metric: s.value for s in harness_scores(content, detections, task) if s.category is None}
    assert set(values) == set(METRICS)
    for metric, value in values.items():
        reference = expected[PACKAGE_NAMES.get(metric, metric)]
        assert (-1 if value is None else value) == pytest.approx(reference, abs=1e-12), metric


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), images=st.integers(1, 6), task=st.sampled_from(["segm", "bbox"]))
def test_all_numbers_are_the_packages(seed, images, task):
    assert_agreement(*make(seed, images, 8), task)


def test_only_300_detections_of_an_image_count():
    assert_agreement(*make(5, 3, 8, crowded=True), "bbox")


def test_splits_and_categories_are_means_of_the_same_arrays():
    content, detections = make(1, 6, 8)
    scores = harness_scores(content, detections, "segm", [Split("some", ("k1", "k2"))])
    by_category = {s.category: s.value for s in scores if s.category}
    [split] = [s for s in scores if s.split == "some" and s.metric == "AP"]
    assert split.value == pytest.approx(np.mean([by_category["k1"], by_category["k2"]]), abs=1e-12)


def test_another_data_set_has_no_such_number():
    content, detections = make(1, 2, 4)
    plain = {**content, "categories": [{"id": c["id"], "name": c["name"]} for c in content["categories"]]}
    assert "does not say how frequent" in harness_scores(plain, detections, "segm")[0].reason
    bare = {**content, "images": [{"id": i["id"], "height": SIZE, "width": SIZE} for i in content["images"]]}
    assert "have no neg_category_ids" in harness_scores(bare, detections, "segm")[0].reason
