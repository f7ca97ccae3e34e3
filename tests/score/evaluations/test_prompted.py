"""Given prompts: mean IoU over categories and instances, by hand and on resamples."""

from __future__ import annotations

import numpy as np
import pytest
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.bootstrap import Resamples
from segharness.score.evaluations.prompted import boxes, points
from segharness.suite import Split

from tests.score.generated_datasets import as_images, as_predictions, encoded

SIZE = 20


def square(at, side):
    mask = np.zeros((SIZE, SIZE), bool)
    mask[at : at + side, 0:side] = True
    return mask


def problem(scores=(0.9, 0.8, 0.7), prompt="boxes"):
    """Two cats answered with IoU 1 and .5, a dog with .25; images 1, 1 and 2."""
    truths = [(1, 1, square(0, 4)), (1, 1, square(6, 4)), (2, 4, square(0, 8))]
    answers = [square(0, 4), square(6, 4) & (np.arange(SIZE) < 2), square(0, 8) & square(0, 4)]
    truth = {
        "images": [{"id": i, "height": SIZE, "width": SIZE} for i in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": c, "iscrowd": 0, "segmentation": encoded(m),
             "area": float(m.sum()), "bbox": [0, 0, 4, 4]}
            for n, (image, c, m) in enumerate(truths, 11)
        ],
    }  # fmt: skip
    results = [
        {"image_id": image, "category_id": c, "score": s, "segmentation": encoded(answer), "annotation_id": n}
        for n, ((image, c, _), answer, s) in enumerate(zip(truths, answers, scores, strict=True), 11)
    ]
    return GroundTruth(truth), as_predictions(results), as_images(truth, prompt=prompt)


def numbers(request, evaluation=boxes):
    """Return the scores of a request by metric, split and category."""
    return {(s.metric, s.split, s.category): s for s in evaluation(request)}


def test_means_over_categories_and_instances():
    truth, predictions, images = problem()
    by_key = numbers(ScoreRequest(truth, predictions, "segm", (Split("dogs", ("dog",)),), images=images))
    assert by_key["mask_mIoU", "all", None].value == pytest.approx((0.75 + 0.25) / 2)
    assert by_key["mask_IoU", "all", None].value == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert by_key["mask_mIoU", "dogs", None].value == pytest.approx(0.25)
    assert by_key["mask_IoU", "all", "cat"].value == pytest.approx(0.75)
    assert by_key["mask_IoU", "all", None].n_instances == 3
    assert by_key["AP50", "all", None].value == pytest.approx(0.5)  # both cats, no dog


def test_resamples_weigh_the_instances_of_an_image():
    truth, predictions, images = problem()
    resamples = Resamples(np.array([1, 2]), np.array([[2, 0, 1], [0, 2, 1]], dtype=np.int16))
    by_key = numbers(ScoreRequest(truth, predictions, "segm", images=images, resamples=resamples))
    assert by_key["mask_mIoU", "all", None].samples == pytest.approx([0.75, 0.25, 0.5])
    assert by_key["mask_IoU", "all", None].samples == pytest.approx([0.75, 0.25, 1.75 / 3])


def test_without_scores_there_is_no_ap():
    truth, predictions, images = problem(scores=(None, None, None))
    by_key = numbers(ScoreRequest(truth, predictions, "segm", images=images))
    assert by_key["mask_mIoU", "all", None].value == pytest.approx(0.5)
    assert by_key["AP", "all", None].value is None and by_key["AP", "all", None].reason == "the model gives no scores"


@pytest.mark.parametrize(
    ("prompt", "evaluation", "reason"),
    [
        (None, boxes, "takes no prompts, this evaluation is of given boxes"),
        ("boxes", points, "was given boxes, this evaluation is of given points"),
    ],
)
def test_evaluations_are_not_mixed(prompt, evaluation, reason):
    truth, predictions, images = problem(prompt=prompt)
    scores = evaluation(ScoreRequest(truth, predictions, "segm", images=images))
    assert {s.value for s in scores} == {None} and reason in scores[0].reason
