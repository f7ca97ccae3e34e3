"""mIoU and iIoU: by brute force, pixel by pixel, on generated segments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segharness.score import GroundTruth
from segharness.score.bootstrap import Resamples
from segharness.score.evaluations.semantic import score
from segharness.suite import Split

from tests.score.evaluations.test_panoptic import problem, request

AREAS = {1: 30.5, 2: 12.25}


def asked(images, predictable=(1, 2, 7), resamples=None):
    made = request(images, (Split("cars", ("car",)),), predictable)
    content = made.ground_truth.content
    categories = [
        {**c, **({"average_area": AREAS[c["id"]]} if c["id"] in AREAS else {})} for c in content["categories"]
    ]
    truth = GroundTruth({**content, "categories": categories})
    return replace(made, ground_truth=truth, task="semantic", resamples=resamples)


def brute_force(images):
    """Return IoU and iIoU of every category, one pixel at a time; None for those that do not occur."""
    right, wrong, missed, weighted_right, weighted_missed = (dict.fromkeys((1, 2, 7), 0.0) for _ in range(5))
    for truth, labels, crowds, guess, guesses in images:
        sizes = {n: int((truth == n).sum()) for n in labels}
        for t, g in zip(truth.ravel().tolist(), guess.ravel().tolist(), strict=True):
            if t == 0:
                continue
            expected, found = labels[t], guesses.get(g)
            right[expected] += found == expected
            missed[expected] += found != expected
            if found is not None and found != expected:
                wrong[found] += 1
            if expected in AREAS and t not in crowds:
                (weighted_right if found == expected else weighted_missed)[expected] += AREAS[expected] / sizes[t]

    def ratios(hits, misses, ids):
        totals = {c: hits[c] + wrong[c] + misses[c] for c in ids}
        return {c: hits[c] / totals[c] if totals[c] else None for c in ids}

    return ratios(right, missed, (1, 2, 7)), ratios(weighted_right, weighted_missed, (1, 2))


def mean(values):
    known = [value for value in values if value is not None]
    return pytest.approx(np.mean(known), abs=1e-12) if known else None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_they_are_what_counting_every_pixel_gives(seed):
    images = problem(np.random.default_rng(seed))
    iou, instance_iou = brute_force(images)
    found = {(s.metric, s.split, s.category): s.value for s in score(asked(images))}
    assert found["mIoU", "all", None] == mean(iou.values())
    assert found["iIoU", "all", None] == mean(instance_iou.values())
    assert found["mIoU", "cars", None] == mean([iou[2]])
    for name, id in (("person", 1), ("car", 2), ("sky", 7)):
        assert found["mIoU", "all", name] == mean([iou[id]])
        assert found["iIoU", "all", name] == mean([instance_iou.get(id)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_resample_is_the_number_of_its_images(seed):
    rng = np.random.default_rng(seed)
    images = problem(rng)
    drawn = rng.integers(0, len(images), (len(images), 5))
    counts = np.stack([np.bincount(column, minlength=len(images)) for column in drawn.T], axis=1).astype(np.int16)
    resamples = Resamples(np.arange(1, len(images) + 1), counts)
    [number] = [
        s for s in score(asked(images, resamples=resamples)) if (s.metric, s.split, s.category) == ("mIoU", "all", None)
    ]
    for column in range(5):
        expected = mean(brute_force([images[i] for i in drawn[:, column]])[0].values())
        if number.value is not None:
            assert (None if np.isnan(number.samples[column]) else number.samples[column]) == expected


def whole():
    truth = np.full((16, 16), 2)
    truth[2:10, 2:10] = 1
    return truth, {1: 1, 2: 7}


def test_what_is_not_predicted_is_missed_and_void_counts_for_nothing():
    truth, labels = whole()
    truth[12:] = 0
    guess = np.where(truth == 1, 0, 2)  # stuff on void, too, and no thing
    found = {
        s.metric: s.value
        for s in score(asked([(truth, labels, set(), guess, {2: 7})]))
        if not s.category and s.split == "all"
    }
    assert found["mIoU"] == (0.0 + 1.0) / 2 and found["iIoU"] == 0.0


def test_a_model_without_stuff_earned_no_mean():
    truth, labels = whole()
    scores = score(asked([(truth, labels, set(), np.where(truth == 1, 1, 0), {1: 1})], predictable=(1, 2)))
    found = {(s.metric, s.split, s.category): s for s in scores}
    assert found["mIoU", "all", None].value is None and "stuff" in found["mIoU", "all", None].reason
    assert found["mIoU", "all", "person"].value == found["iIoU", "all", None].value == 1.0


def test_without_average_areas_there_is_no_iiou():
    truth, labels = whole()
    scores = score(request([(truth, labels, set(), truth, labels)]))
    found = {s.metric: s for s in scores if s.category is None and s.split == "all"}
    assert found["mIoU"].value == 1.0 and found["iIoU"].reason == "no category here has an average area"


def test_overlapping_segments_are_refused():
    truth, labels = whole()
    twice = asked([(truth, labels, set(), truth, labels), (truth, labels, set(), truth, labels)])
    rows = twice.predictions.to_pylist()
    rows[0]["mask"] = rows[1]["mask"]
    again = replace(twice, predictions=type(twice.predictions).from_pylist(rows, twice.predictions.schema))
    assert {s.value for s in score(again)} == {None} and "overlap" in score(again)[0].reason
