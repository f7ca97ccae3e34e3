"""Frames per second: which calls are timed, and the reasons for missing values."""

from __future__ import annotations

import pytest
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.evaluations.speed import WARM_UP, score

from tests.score.generated_datasets import as_images, as_predictions


def scores(count=30, **columns):
    truth = {"images": [{"id": i, "height": 8, "width": 8} for i in range(count)]}
    defaults = {
        "seconds": [0.01 * (i + 1) for i in range(count)],
        "batch": 1,
        "call": list(range(count)),
        "device": "cpu x",
    }
    images = as_images(truth, **{**defaults, **columns})
    return score(ScoreRequest(GroundTruth(truth), as_predictions([]), "speed", images=images))


def test_the_first_calls_are_not_timed():
    by_metric = {s.metric: s for s in scores()}
    assert by_metric["ms_median"].value == pytest.approx(205.0)  # of .11 to .30
    assert by_metric["fps"].value == pytest.approx(1 / 0.205)
    assert by_metric["ms_p95"].value == pytest.approx(290.5)
    assert {s.device for s in by_metric.values()} == {"cpu x"} and by_metric["fps"].n_images == 30 - WARM_UP


def test_every_device_has_its_numbers():
    device_scores = scores(device=["a", "b"] * 15)
    assert [(s.device, s.n_images) for s in device_scores if s.metric == "fps"] == [("a", 10), ("b", 10)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"batch": 4}, "timed at batch 4, not 1"),
        ({"call": 3}, "all 30 images fell into the warm-up"),
        ({"seconds": [None] * 30}, "nothing was timed"),
        ({"call": [None] * 30}, "--fresh makes them again"),
    ],
)
def test_what_cannot_be_said_is_null_with_the_reason(columns, reason):
    null_scores = scores(**columns)
    assert {s.value for s in null_scores} == {None} and all(reason in s.reason for s in null_scores)
