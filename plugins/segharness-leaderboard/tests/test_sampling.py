"""What is drawn of a bundle, how often, and how instances count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from segharness import UsageError
from segharness_leaderboard.rank_weights import RankWeights
from segharness_leaderboard.reproduction.sampling import (
    FALSE_ALARM,
    Cell,
    Needed,
    Sampling,
    _more_than,
    draws_needed,
    parts_of_images,
    share_needed,
)


@pytest.mark.parametrize(
    ("gain", "confidence", "draws"),
    [(2, 0.95, 311), (1, 0.95, 622), (0.5, 0.95, 1245), (2, 0.99, 477), (1, 0.99, 956), (0.5, 0.99, 1914)],
)
def test_the_numbers_of_draws_are_those_of_the_contract(gain, confidence, draws):
    """At AP .35 and an advantage of 1.6, for one number."""
    share = share_needed(gain / 100, 0.35, advantage=1.6) / 2
    assert draws_needed(share, confidence)[:2] == (draws, 0)
    assert (1 - share) ** draws <= 1 - confidence < (1 - share) ** (draws - 1)


@pytest.mark.parametrize(("rate", "draws", "allowed"), [(1e-4, 650, 2), (1e-3, 990, 5), (5e-3, 2160, 22)])
def test_honest_mismatches_cost_the_draws_of_the_contract(rate, draws, allowed):
    share = share_needed(0.02, 0.35, advantage=1.6) / 2
    n, k, alarm = draws_needed(share, 0.95, rate)
    assert k == allowed and abs(n - draws) <= 0.01 * draws
    rng = np.random.default_rng(0)
    assert alarm <= FALSE_ALARM and (rng.binomial(n, rate, 200_000) > k).mean() <= FALSE_ALARM * 1.3
    assert (rng.binomial(n, share + rate * (1 - share), 200_000) <= k).mean() <= 0.052


def cells():
    ids = np.arange(1, 101)
    objects = {int(i): {1: 2} for i in ids} | {7: {2: 1}}  # image 7 has the only object of a category
    parts = parts_of_images(ids.tolist(), objects)
    return [Cell("d", name, ids, parts, {name: 1.0}) for name in ("clean", "fog-3")]


def test_a_draw_follows_from_secret_and_root_and_finds_rare_categories():
    sampling = Sampling(cells())
    assert math.isclose(sampling.chances.sum(), 1)
    first = sampling.draw(b"secret", "root", 400)
    assert first == sampling.draw(b"secret", "root", 400)
    assert first != sampling.draw(b"secret", "another", 400) != sampling.draw(b"Secret", "root", 400)
    assert sum(draw.times for draw in first) == 400
    times = {(draw.condition, draw.image_id): draw.times for draw in sampling.draw(b"s", "r", 40_000)}
    of_seven = sum(times["clean", 7] + times["fog-3", 7] for _ in (1,)) / 40_000
    assert abs(of_seven - (0.5 / 100 + 0.5 / 2)) < 0.01  # half of the AP, and a hundredth of the images
    assert len(times) == 200


def test_weights_are_ranks_so_small_scores_hide_nothing():
    import pyarrow as pa

    scores = np.random.default_rng(0).random(50)
    plain = pa.table({"category_id": pa.array([1] * 50, pa.int32()), "score": scores})
    faint = pa.table({"category_id": pa.array([1] * 50, pa.int32()), "score": scores * 0.001})
    weights = RankWeights(plain, {1: 10}).of(plain)
    assert np.array_equal(weights, RankWeights(faint, {1: 10}).of(faint))
    assert weights.max() == 1 and (weights > 0).sum() == 30  # three times the number of objects
    assert not RankWeights(plain, {2: 10}).of(plain).any()


def test_the_false_alarm_counts_images_that_are_drawn_often():
    """An image that is drawn thirty times mismatches thirty times, if it does."""
    sampling = Sampling(cells())
    n, k, alarm = draws_needed(0.01, 0.95, 1e-4, sampling.chances)
    rng = np.random.default_rng(0)
    means = n * sampling.chances
    seen = [
        rng.poisson(means[rng.random(len(means)) < 0.02]).sum() for _ in range(20_000)
    ]  # at 200 times the rate, where it can be counted
    _, _, often = Needed(n, k, _more_than(k, means, 0.02))
    assert abs(np.mean(np.array(seen) > k) - often) < 0.02
    assert alarm == pytest.approx(_more_than(k, means, 1e-4))
    with pytest.raises(UsageError, match="--honest-rate 0.01 is too near"):
        draws_needed(0.001, 0.95, 0.01)
