"""Boundary AP: checked by definition, by brute force, and against an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.cocoeval import COCOeval
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.evaluations.boundary import boundary, width
from segharness.score.evaluations.coco import score
from segharness.score.evaluations.coco_engines import accumulate
from segharness.score.evaluations.coco_parameters import CocoParameters

from tests.score.generated_datasets import as_predictions, encoded, evaluated, make, plain, problems


def by_definition(pixels: np.ndarray, reach: int) -> np.ndarray:
    """Return the pixels of a mask whose square of +-`reach` pixels is not entirely in the mask and in the image."""
    padded = np.pad(pixels.astype(bool), reach)
    inner = np.ones_like(pixels, dtype=bool)
    for y in range(2 * reach + 1):
        for x in range(2 * reach + 1):
            inner &= padded[y : y + pixels.shape[0], x : x + pixels.shape[1]]
    return pixels.astype(bool) & ~inner


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(1, 120))
def test_the_boundary_is_what_an_erosion_takes_off(seed, height, width_):
    rng = np.random.default_rng(seed)
    pixels = rng.random((height, width_)) < rng.choice([0.0, 0.5, 0.95, 1.0])
    for _ in range(3):
        y, x = rng.integers(0, height), rng.integers(0, width_)
        pixels[y : y + rng.integers(1, 60), x : x + rng.integers(1, 60)] = True
    boundary_pixels = rle.decode(boundary(encoded(pixels))).astype(bool)
    assert np.array_equal(boundary_pixels, by_definition(pixels, width(height, width_)))


@pytest.mark.parametrize(("size", "expected"), [((480, 640), 16), ((45, 60), 2), ((225, 300), 8), ((5, 5), 1)])
def test_its_width_is_two_percent_of_the_diagonal(size, expected):
    assert width(*size) == expected


class BruteForce(COCOeval):
    """Every pair's IoU from its pixels."""

    def computeIoU(self, imgId, catId):  # noqa: N802, N803
        ious = super().computeIoU(imgId, catId)
        if not len(ious):
            return ious
        truths, detections = self._gts[imgId, catId], self._dts[imgId, catId]
        order = np.argsort([-d["score"] for d in detections], kind="mergesort")[: self.params.maxDets[-1]]
        for row, d in enumerate(order):
            for column, truth in enumerate(truths):
                if not truth["iscrowd"]:
                    a, b = (rle.decode(x["segmentation"]) for x in (detections[d], truth))
                    a, b = (by_definition(pixels, width(*pixels.shape)) for pixels in (a, b))
                    union = (a | b).sum()
                    ious[row, column] = min(ious[row, column], (a & b).sum() / union if union else 0.0)
        return ious


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_numbers_are_those_of_brute_force(problem):
    truth, results = problem
    results = results[:40]
    expected = evaluated(truth, plain(results, "segm"), "segm", BruteForce).eval
    accumulated = accumulate(GroundTruth(truth), as_predictions(results), "boundary", "hotcoco", CocoParameters())
    assert np.array_equal(accumulated.precision, expected["precision"])
    assert np.array_equal(accumulated.recall, expected["recall"])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_faster_coco_eval_agrees(seed):
    """faster_coco_eval rounds the width differently at some sizes, but not at 64x64 (1.81 to 2)."""
    from faster_coco_eval import COCO, COCOeval_faster

    rng = np.random.default_rng(seed)
    truth, results = make(rng, 3, [int(rng.choice([1, 6, 120])) for _ in range(3)], size=64)
    ground_truth = COCO(truth, use_deepcopy=True)
    evaluation = COCOeval_faster(ground_truth, ground_truth.loadRes(plain(results, "segm")), iouType="boundary")
    evaluation.evaluate()
    evaluation.accumulate()
    accumulated = accumulate(GroundTruth(truth), as_predictions(results), "boundary", "pycocotools", CocoParameters())
    assert np.array_equal(accumulated.recall, evaluation.eval["recall"])
    assert accumulated.precision == pytest.approx(evaluation.eval["precision"], abs=1e-12)


def test_a_coarse_mask_has_less_of_it_than_of_mask_ap():
    y, x = np.mgrid[:100, :100]
    disc = (y - 50) ** 2 + (x - 50) ** 2 < 40**2
    bumpy = disc ^ (((y // 6 + x // 6) % 2 == 0) & (abs(np.hypot(y - 50, x - 50) - 40) < 1))
    shape = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 80, 80]}
    truth = {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "categories": [{"id": 1, "name": "disc"}],
        "annotations": [{**shape, "id": 1, "iscrowd": 0, "area": float(disc.sum()), "segmentation": encoded(disc)}],
    }
    predictions = as_predictions([{**shape, "score": 0.9, "segmentation": encoded(bumpy)}])
    values = {
        task: next(s.value for s in score(ScoreRequest(GroundTruth(truth), predictions, task)) if s.metric == "AP")
        for task in ("segm", "boundary")
    }
    assert 0 < values["boundary"] < values["segm"]
