"""The greedy aggregation, on cases made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from segharness_adaptis.aggregate import Rules, aggregate, best_points, random_points

SIDE = 12


def block(top, left, bottom, right, confidence=0.9):
    found = np.zeros((SIDE, SIDE), np.float32)
    found[top:bottom, left:right] = confidence
    return found


def selector(*objects):
    """Of the objects that hold the point the one that comes first; none elsewhere."""

    def select(points):
        none = np.zeros((SIDE, SIDE), np.float32)
        return np.stack([next((o for o in objects if o[int(y), int(x)] >= 0.5), none) for x, y in points])

    return select


def in_order(*points):
    """Propose these one after the other, each while it is unknown."""

    def propose(unknown):
        left = [(x, y) for x, y in points if unknown[int(y), int(x)]]
        return np.array(left[:1], np.float32).reshape(-1, 2)

    return propose


def foreground(*objects):
    return np.any([o >= 0.5 for o in objects], axis=0)


def test_each_object_is_found_once():
    objects = block(0, 0, 5, 5, 0.8), block(6, 6, 11, 11, 0.95)
    rng = np.random.default_rng(0)
    found = aggregate(foreground(*objects), random_points(rng, 7), selector(*objects), Rules())
    assert sorted(found.scores.tolist()) == pytest.approx([0.8, 0.95])
    assert sorted(m.sum() for m in found.masks) == [25, 25]
    assert found.masks.sum(axis=0).max() == 1


def test_of_the_candidates_the_most_confident_comes_first():
    objects = block(0, 0, 5, 5, 0.8), block(6, 6, 11, 11, 0.95)

    def both(unknown):
        return np.array([p for p in ((1.5, 1.5), (8.5, 8.5)) if unknown[int(p[1]), int(p[0])]], np.float32).reshape(
            -1, 2
        )

    found = aggregate(foreground(*objects), both, selector(*objects), Rules())
    assert found.scores.tolist() == pytest.approx([0.95, 0.8])


def test_the_score_is_the_mean_confidence_over_the_mask():
    uneven = block(0, 0, 4, 4, 1.0)
    uneven[2:4, :4] = 0.6
    uneven[5, 5] = 0.3
    found = aggregate(uneven >= 0.5, in_order((1, 1)), selector(uneven), Rules())
    assert found.scores.tolist() == pytest.approx([0.8]), "the pixel under the threshold does not count"
    assert found.masks[0].sum() == 16


@pytest.mark.parametrize(("columns", "count"), [(7, 1), (6, 1), (5, 2)])
def test_a_mask_that_is_segmented_by_half_is_dropped(columns, count):
    """The second mask has 12 columns, and the first took 7, 6 or 5 of them."""
    first, second = block(0, 0, 4, columns, 0.95), block(0, 0, 4, 12, 0.7)
    found = aggregate(second >= 0.5, in_order((1, 1), (9, 1)), selector(first, second), Rules())
    assert len(found.scores) == count


def test_of_two_masks_that_are_equally_confident_the_earlier_keeps_the_pixel():
    first, second = block(0, 0, 4, 6, 0.5), block(0, 4, 4, 11, 0.5)
    found = aggregate(foreground(first, second), in_order((1, 1), (9, 1)), selector(first, second), Rules())
    assert [int(m.sum()) for m in found.masks] == [24, 20]


def test_each_pixel_goes_to_the_most_confident_mask():
    first, second = block(0, 0, 4, 6, 0.7), block(0, 4, 4, 11, 0.9)

    def select(points):
        return np.stack([first if x < 4 else second for x, _ in points])

    found = aggregate(foreground(first, second), in_order((1, 1), (9, 1)), select, Rules())
    assert [int(m.sum()) for m in found.masks] == [16, 28], "the shared columns 4 and 5 are the second's"
    assert found.scores.tolist() == pytest.approx([0.7, 0.9])
    weak = block(0, 4, 4, 11, 0.6)
    second[:] = weak
    found = aggregate(foreground(first, second), in_order((1, 1), (9, 1)), select, Rules())
    assert [int(m.sum()) for m in found.masks] == [24, 20], "and stay the first's when it is surer"


def test_points_that_give_nothing_are_not_tried_again_and_end_the_search():
    tried = []

    def select(points):
        tried.extend(map(tuple, points.tolist()))
        return np.zeros((len(points), SIDE, SIDE), np.float32)

    found = aggregate(block(0, 0, 6, 6) >= 0.5, random_points(np.random.default_rng(1), 1), select, Rules())
    assert found.masks.shape == (0, SIDE, SIDE) and found.scores.shape == (0,)
    assert len(tried) == len(set(tried)) == 36 - 10 + 1, "until fewer pixels than the least mask are unknown"


def test_there_are_at_most_so_many_iterations():
    objects = [block(2 * i, 0, 2 * i + 2, SIDE) for i in range(6)]
    found = aggregate(
        foreground(*objects), random_points(np.random.default_rng(0), 3), selector(*objects), Rules(iterations=4)
    )
    assert len(found.scores) == 4


def test_without_foreground_there_is_nothing():
    found = aggregate(np.zeros((SIDE, SIDE), bool), random_points(np.random.default_rng(0), 7), selector(), Rules())
    assert len(found.scores) == 0


def test_random_points_are_distinct_unknown_pixels():
    unknown = block(3, 4, 6, 8) >= 0.5
    points = random_points(np.random.default_rng(0), 7)(unknown)
    assert points.shape == (7, 2) and len(np.unique(points, axis=0)) == 7
    assert all(unknown[int(y), int(x)] and x % 1 == 0.5 and y % 1 == 0.5 for x, y in points)
    assert len(random_points(np.random.default_rng(0), 99)(unknown)) == 12


def test_proposals_are_the_unknown_pixels_of_the_highest_quality():
    quality = np.zeros((SIDE, SIDE), np.float32)
    quality[0, 0], quality[3, 4], quality[5, 7] = 3, 1, 2
    points = best_points(quality, 2)(block(3, 4, 6, 8) >= 0.5)
    assert points.tolist() == [[7.5, 5.5], [4.5, 3.5]]
