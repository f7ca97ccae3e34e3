"""AP on resamples equals the engine's AP on the data itself, and pycocotools' on data sets that repeat drawn images."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.bootstrap import Resamples, draw, interval
from segharness.score.evaluations.coco import mean, score
from segharness.score.evaluations.coco_engines import accumulate
from segharness.score.evaluations.coco_parameters import read
from segharness.score.evaluations.matches import match
from segharness.score.evaluations.resampled_ap import average_precisions, means

from tests.score.generated_datasets import as_predictions, evaluated, make, plain, problems

ENGINES = ["hotcoco", "pycocotools"]


def weights(truth, columns):
    """Return resamples with the given counts: a column for each resample, a count for each image."""
    ids = np.array(sorted(image["id"] for image in truth["images"]), dtype=np.int64)
    return Resamples(ids, np.array(columns, dtype=np.int16).reshape(len(columns), -1).T.copy())


@settings(max_examples=120, deadline=None)
@given(problems(), st.sampled_from(["segm", "bbox"]), st.booleans(), st.sampled_from(ENGINES))
def test_the_identity_resample_is_the_engines_number(problem, task, agnostic, engine):
    truth, results = problem
    parameters = read({"class_agnostic": agnostic})
    ground_truth, predictions = GroundTruth(truth), as_predictions(results)
    accumulated = accumulate(ground_truth, predictions, task, engine, parameters)
    matches = match(ground_truth, predictions, task, engine, parameters)
    samples = average_precisions(matches, weights(truth, [[1] * len(truth["images"])]))
    for column in range(samples.shape[0]):
        expected = mean(accumulated, "AP", np.array([column]), parameters)
        value = means(samples, np.array([column]))[0]
        assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-12)
    expected = mean(accumulated, "AP", np.arange(samples.shape[0]), parameters)
    value = means(samples, np.arange(samples.shape[0]))[0]
    assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-12)


def resampled(truth, results, counts):
    """Return the data set that holds each image as often as drawn, under new ids."""
    images, annotations, drawn_results = [], [], []
    for image, count in zip(sorted(truth["images"], key=lambda i: i["id"]), counts, strict=True):
        for _ in range(count):
            id = len(images) + 1
            images.append({**image, "id": id})
            for a in truth["annotations"]:
                if a["image_id"] == image["id"]:
                    annotations.append({**a, "id": len(annotations) + 1, "image_id": id})
            drawn_results += [{**r, "image_id": id} for r in results if r["image_id"] == image["id"]]
    return {**truth, "images": images, "annotations": annotations}, drawn_results


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["segm", "bbox"]), st.sampled_from(ENGINES))
def test_explicit_resamples_are_pycocotools_on_the_resampled_data_set(seed, task, engine):
    rng = np.random.default_rng(seed)
    truth, results = make(rng, 4, [int(rng.choice([0, 3, 10, 120])) for _ in range(4)], distinct=True)
    columns = [rng.multinomial(4, [0.25] * 4) for _ in range(3)]
    parameters = read({})
    matches = match(GroundTruth(truth), as_predictions(results), task, engine, parameters)
    samples = average_precisions(matches, weights(truth, columns))
    for column, counts in enumerate(columns):
        expected = evaluated(*resampled(truth, plain(results, task), counts), task).eval["precision"][..., 0, -1]
        for category in range(2):
            values = expected[:, :, category]
            if values.max() < 0:
                assert np.isnan(samples[category, :, column]).all()
            else:
                assert samples[category, :, column] == pytest.approx(values.mean(axis=1), abs=1e-12)
        defined = expected[expected > -1]
        overall = means(samples, np.arange(2))[column]
        assert overall == pytest.approx(defined.mean(), abs=1e-12) if len(defined) else np.isnan(overall)


def test_large_cells_are_done_in_parts(monkeypatch):
    rng = np.random.default_rng(3)
    truth, results = make(rng, 6, [60] * 6, distinct=True)
    resamples = draw("x", [i["id"] for i in truth["images"]], 50)
    matches = match(GroundTruth(truth), as_predictions(results), "segm", "hotcoco", read({}))
    at_once = average_precisions(matches, resamples)
    monkeypatch.setattr("segharness.score.evaluations.resampled_ap._ELEMENTS", 700)
    assert np.array_equal(average_precisions(matches, resamples), at_once, equal_nan=True)


def test_draws_depend_on_the_data_set_alone():
    first = draw("digest", [5, 1, 3], 40)
    assert first.image_ids.tolist() == [1, 3, 5]
    assert np.array_equal(first.counts.sum(axis=0), np.full(40, 3))
    assert np.array_equal(first.counts, draw("digest", [1, 3, 5], 40).counts)
    assert np.array_equal(first.counts, draw("digest", [1, 3, 5], 90).counts[:, :40])
    assert not np.array_equal(first.counts, draw("another", [1, 3, 5], 40).counts)


def test_a_score_carries_its_resamples():
    rng = np.random.default_rng(1)
    truth, results = make(rng, 8, [20] * 8)
    resamples = draw("x", [i["id"] for i in truth["images"]], 200)
    request = ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", resamples=resamples)
    scores = {(s.metric, s.category): s for s in score(request)}
    assert scores["AP", None].samples.shape == (200,)
    assert scores["AP50", "c1"].samples is not None and scores["AR100", None].samples is None
    assert scores["AP", None].samples.std() > 0


def test_intervals_hold_the_middle_and_move_with_the_bias():
    samples = np.linspace(0, 1, 1001)
    middle = interval(0.5, samples)
    assert (middle.low, middle.high) == (pytest.approx(0.025, abs=0.002), pytest.approx(0.975, abs=0.002))
    low = interval(0.3, samples)
    assert low.low < middle.low and low.high < middle.high
    same = interval(1.0, np.ones(100))
    assert (same.low, same.high) == (1.0, 1.0)
    rounded = interval(0.3, np.full(100, 0.1 + 0.2))
    assert rounded.low == rounded.high


@pytest.mark.parametrize(("value", "side"), [(0.1, "smaller"), (0.9, "larger")])
def test_a_number_beyond_all_resamples_has_no_interval(value, side):
    bounds = interval(value, np.linspace(0.2, 0.8, 500))
    assert bounds.low is None and bounds.reason == f"no interval: it is {side} than on all resamples"


def test_an_interval_needs_nearly_all_resamples():
    samples = np.linspace(0, 1, 1000)
    samples[:10] = np.nan
    assert interval(0.5, samples).low is not None
    samples[:11] = np.nan
    bounds = interval(0.5, samples)
    assert bounds.low is None and bounds.reason == "no interval: undefined on 11 of 1000 resamples"


def population(rng, size, categories=1):
    """Return images that differ in difficulty, each (categories, scores, hits, categories of the ground truths)."""
    shares = 1 / np.arange(1, categories + 1)
    shares /= shares.sum()
    images = []
    for _ in range(size):
        hard = rng.normal(0, 0.15)
        truths = rng.choice(categories, rng.poisson(4), p=shares)
        iou = np.clip(rng.beta(4, 2, len(truths)) + hard, 0, 1)
        false_positives = rng.choice(categories, rng.poisson(5), p=shares)
        scores = np.concatenate(
            [np.clip(iou + rng.normal(0, 0.2, len(iou)), 0, 1), rng.beta(2, 4, len(false_positives))]
        )
        hits = np.concatenate(
            [iou[None] >= np.linspace(0.5, 0.95, 10)[:, None], np.zeros((10, len(false_positives)), bool)], axis=1
        )
        images.append(
            (np.concatenate([truths, false_positives]), scores + rng.random(len(scores)) * 1e-9, hits, truths)
        )
    return images


def laid_out(images, categories=1):
    """Return the `Matches` of images of a `population`."""
    from segharness.score.evaluations.matches import Matches

    image = np.repeat(np.arange(len(images)), [len(scores) for _, scores, _, _ in images])
    category = np.concatenate([c for c, _, _, _ in images])
    order = np.lexsort((image, -np.concatenate([s for _, s, _, _ in images]), category))
    hits = np.concatenate([h for _, _, h, _ in images], axis=1)[:, order]
    truth = np.repeat(np.arange(len(images)), [len(t) for _, _, _, t in images])
    kinds = np.concatenate([t for _, _, _, t in images])
    starts, truth_starts = (
        np.concatenate([[0], np.cumsum(np.bincount(categories_of, minlength=categories))])
        for categories_of in (category, kinds)
    )
    by_kind = np.argsort(kinds, kind="stable")
    return Matches(starts, image[order], hits, np.zeros_like(hits), truth_starts, truth[by_kind])


def coverage(seed, categories, images, repetitions, size=6000):
    """Return how often the intervals, and plain percentiles of the same resamples, hold the population's AP."""
    rng = np.random.default_rng(seed)
    all_images = population(rng, size, categories)
    columns = np.arange(categories)

    def ap(chosen, resamples):
        return means(average_precisions(laid_out(chosen, categories), resamples), columns)

    def identity(count):
        return Resamples(np.arange(count), np.ones((count, 1), np.int16))

    [truth] = ap(all_images, identity(size))
    covered = np.zeros(2)
    for repeat in range(repetitions):
        chosen = [all_images[i] for i in rng.choice(size, images, replace=False)]
        [value] = ap(chosen, identity(images))
        samples = ap(chosen, draw(str(repeat), range(images), 300))
        corrected, (low, high) = interval(value, samples), np.quantile(samples, [0.025, 0.975])
        covered += [corrected.low is not None and corrected.low <= truth <= corrected.high, low <= truth <= high]
    return covered / repetitions


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """300 samples of 100 images: the 95 % interval of AP holds the population's AP; three standard errors are .038."""
    corrected, _ = coverage(7, 1, 100, 300)
    assert 0.90 <= corrected <= 0.99


@pytest.mark.slow
def test_the_correction_is_what_keeps_means_over_many_rare_categories_covered():
    """20 categories, most of them rare, in 100 images: AP is biased upwards, resampled AP more so."""
    corrected, percentiles = (coverage(1, 20, 100, 150) + coverage(2, 20, 100, 150)) / 2
    assert corrected >= 0.82 and corrected >= percentiles + 0.02


def test_matches_do_not_change_what_they_are_made_from():
    truth, results = make(np.random.default_rng(2), 3, [5, 5, 5])
    before = copy.deepcopy(truth)
    match(GroundTruth(truth), as_predictions(results), "segm", "hotcoco", read({}))
    assert truth == before
