"""PQ: by its definition on generated segments, and 1 for real ground truth against itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.evaluations.panoptic import METRICS, score
from segharness.suite import Split

from tests.score.generated_datasets import as_predictions, encoded

SIZE = 16
CATEGORIES = [
    {"id": 1, "name": "person", "isthing": 1},
    {"id": 2, "name": "car", "isthing": 1},
    {"id": 7, "name": "sky", "isthing": 0},
]


def segments(rng, count, void=0.3):
    """Return a map of segment numbers, 0 for none, and the category of each."""
    numbers = np.zeros((SIZE, SIZE), dtype=int)
    for number in range(1, count + 1):
        y, x = rng.integers(0, SIZE, 2)
        numbers[y : y + rng.integers(1, 14), x : x + rng.integers(1, 14)] = number
    numbers[rng.random(numbers.shape) < void * rng.random()] = 0
    return numbers, {number: int(rng.choice([1, 2, 7])) for number in np.unique(numbers) if number}


def problem(rng):
    """Return ground truth and predicted segments of a few images: (map, categories, crowds) and (map, categories)."""
    images = []
    for _ in range(rng.integers(1, 4)):
        truth, labels = segments(rng, int(rng.integers(0, 6)))
        crowds = {n for n in labels if rng.random() < 0.25}
        if rng.random() < 0.5 and len(labels):  # predictions near the truth, so that something matches
            guess, guesses = np.roll(truth, int(rng.integers(0, 3)), axis=1), dict(labels)
        else:
            guess, guesses = segments(rng, int(rng.integers(0, 6)))
        images.append((truth, labels, crowds, guess, guesses))
    return images


def by_definition(images):
    """Return IoU sums, TP, FP, FN of every category."""
    counts = {c["id"]: [0.0, 0, 0, 0] for c in CATEGORIES}
    for truth, labels, crowds, guess, guesses in images:
        matched_truth, matched_guess = set(), set()
        void = truth == 0
        for t, category in labels.items():
            if t in crowds:
                continue
            for g, guessed in guesses.items():
                if guessed != category:
                    continue
                inter = ((truth == t) & (guess == g)).sum()
                union = (truth == t).sum() + ((guess == g) & ~void).sum() - inter
                if inter / union > 0.5:
                    counts[category][0] += inter / union
                    counts[category][1] += 1
                    matched_truth.add(t)
                    matched_guess.add(g)
        for t, category in labels.items():
            if t not in crowds and t not in matched_truth:
                counts[category][3] += 1
        for g, category in guesses.items():
            if g in matched_guess:
                continue
            excused = void | np.isin(truth, [t for t in crowds if labels[t] == category])
            if ((guess == g) & excused).sum() / (guess == g).sum() <= 0.5:
                counts[category][2] += 1
    return counts


def request(images, splits=(), predictable=(1, 2, 7)):
    annotations, results = [], []
    for number, (truth, labels, crowds, guess, guesses) in enumerate(images, 1):
        for t, category in labels.items():
            mask = truth == t
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "iscrowd": int(t in crowds),
                 "area": 1.0, "bbox": [0, 0, 1, 1], "segmentation": encoded(mask)}
            )  # fmt: skip
        for g, category in guesses.items():
            results.append(
                {"image_id": number, "category_id": category, "score": 1.0, "segmentation": encoded(guess == g)}
            )
    content = {
        "images": [{"id": i, "height": SIZE, "width": SIZE} for i in range(1, len(images) + 1)],
        "annotations": annotations,
        "categories": CATEGORIES,
    }
    return ScoreRequest(GroundTruth(content), as_predictions(results), "panoptic", splits, predictable=predictable)


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pq_is_what_its_definition_says(seed):
    images = problem(np.random.default_rng(seed))
    by_key = {(s.metric, s.split, s.category): s.value for s in score(request(images, (Split("cars", ("car",)),)))}
    per_class = {}
    for category, (iou, tp, fp, fn) in by_definition(images).items():
        if tp + fp + fn:
            pq, sq, rq = iou / (tp + fp / 2 + fn / 2), iou / tp if tp else 0.0, tp / (tp + fp / 2 + fn / 2)
            per_class[category] = (pq, sq, rq)
    for suffix, ids in (("", [1, 2, 7]), ("_th", [1, 2]), ("_st", [7])):
        values = [per_class[c] for c in ids if c in per_class]
        for position, kind in enumerate(("PQ", "SQ", "RQ")):
            expected = pytest.approx(np.mean([v[position] for v in values]), abs=1e-12) if values else None
            assert by_key[f"{kind}{suffix}", "all", None] == expected
    assert by_key["PQ", "cars", None] == (pytest.approx(per_class[2][0], abs=1e-12) if 2 in per_class else None)
    assert by_key["PQ", "all", "sky"] == (pytest.approx(per_class[7][0], abs=1e-12) if 7 in per_class else None)


def square(number, category):
    numbers = np.zeros((SIZE, SIZE), dtype=int)
    numbers[2:10, 2:10] = number
    return numbers, {number: category}


def test_an_iou_of_one_half_is_no_match():
    truth, labels = square(1, 1)
    guess = np.zeros_like(truth)
    guess[2:10, 2:6] = 1
    [value] = [
        s.value for s in score(request([(truth, labels, set(), guess, {1: 1})])) if s.metric == "PQ" and not s.category
    ]
    assert value == 0.0


def test_segments_that_overlap_are_refused():
    truth, labels = square(1, 1)
    perfect = request([(truth, labels, set(), truth, labels)])
    row = {"image_id": 1, "category_id": 1, "score": 1.0, "segmentation": encoded(truth == 1)}
    scores = score(ScoreRequest(perfect.ground_truth, as_predictions([row, row]), "panoptic"))
    assert {s.value for s in scores} == {None} and "overlap, first in image 1" in scores[0].reason


def test_empty_masks_are_no_segments():
    truth, labels = square(1, 1)
    perfect = request([(truth, labels, set(), truth, labels)])
    rows = [{"image_id": 1, "category_id": c, "score": 1.0, "segmentation": encoded(m)}
            for c, m in ((1, truth == 1), (2, truth == 9))]  # fmt: skip
    scores = score(ScoreRequest(perfect.ground_truth, as_predictions(rows), "panoptic"))
    assert next(s.value for s in scores if s.metric == "PQ") == 1.0


def test_nothing_predicted_is_zero():
    truth, labels = square(1, 1)
    perfect = request([(truth, labels, set(), truth, labels)])
    values = {
        s.metric: s.value
        for s in score(ScoreRequest(perfect.ground_truth, as_predictions([]), "panoptic"))
        if not s.category
    }
    assert tuple(values) == METRICS and values["PQ"] == 0.0 and values["PQ_st"] is None


def both():
    """Ground truth of a thing and of stuff, and a prediction of the thing alone."""
    truth = np.full((SIZE, SIZE), 2)
    truth[2:10, 2:10] = 1
    return truth, {1: 1, 2: 7}, set(), np.where(truth == 1, 1, 0), {1: 1}


@pytest.mark.parametrize("predictable", [(1, 2), (1,), None])
def test_a_model_without_stuff_has_no_quality_of_stuff(predictable):
    splits = (Split("cars", ("car", "person")), Split("outside", ("car", "sky")))
    scores = score(request([both()], splits, predictable))
    numbers = {(s.metric, s.split, s.category): s for s in scores}
    assert numbers["PQ_th", "all", None].value == numbers["PQ", "cars", None].value == 1.0
    for metric, split, category in [
        ("PQ", "all", None), ("RQ", "all", None), ("PQ_st", "all", None), ("PQ", "outside", None), ("SQ", "all", "sky")
    ]:  # fmt: skip
        number = numbers[metric, split, category]
        assert number.value is None and "stuff" in number.reason


def test_a_model_without_things_has_no_quality_of_things():
    truth, labels, crowds, *_ = both()
    scores = score(request([(truth, labels, crowds, np.where(truth == 2, 1, 0), {1: 7})], predictable=(7,)))
    numbers = {s.metric: s for s in scores if s.category is None}
    assert numbers["PQ_st"].value == 1.0 and numbers["PQ"].value is None and "thing" in numbers["PQ_th"].reason


def test_a_model_that_could_predict_stuff_and_does_not_earned_a_zero():
    numbers = {s.metric: s.value for s in score(request([both()])) if s.category is None}
    assert numbers["PQ_st"] == 0.0 and numbers["PQ"] == 0.5


def test_stuff_that_does_not_occur_costs_a_model_without_stuff_nothing():
    truth, labels = square(1, 1)
    numbers = {s.metric: s.value for s in score(request([(truth, labels, set(), truth, labels)], predictable=(1, 2)))
               if s.category is None}  # fmt: skip
    assert numbers["PQ"] == numbers["PQ_th"] == 1.0 and numbers["PQ_st"] is None


def test_real_ground_truth_is_perfect_against_itself(shared):
    from segharness_coco.panoptic import CocoPanoptic

    data = CocoPanoptic(str(shared / "data/panoptic-sample/panoptic_examples.json"))
    content = data.ground_truth("panoptic")
    results = [{"score": 1.0, **{k: a[k] for k in ("image_id", "category_id", "segmentation")}}
               for a in content["annotations"] if not a["iscrowd"]]  # fmt: skip
    scores = score(ScoreRequest(GroundTruth(content), as_predictions(results), "panoptic"))
    assert {s.value for s in scores if s.category is None} == {1.0}
