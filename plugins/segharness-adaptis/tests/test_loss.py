"""The losses against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segharness_adaptis.loss import focal, normalized_focal


def example(seed, shape=(3, 5, 4)):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, shape), rng.random(shape) < 0.4


def confidences(logits, targets):
    probability = 1 / (1 + np.exp(-logits))
    return np.where(targets, probability, 1 - probability)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.5, 2.0), (0.25, 1.0), (1.0, 0.0)])
def test_normalized_focal_loss_is_its_formula(alpha, gamma):
    logits, targets = example(1)
    p = confidences(logits, targets)
    weights = (1 - p) ** gamma
    expected = -alpha * (weights * np.log(p)).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
    found = normalized_focal(torch.tensor(logits), torch.tensor(targets), alpha, gamma)
    assert np.allclose(found.numpy(), expected, rtol=1e-9)


def test_with_gamma_0_it_is_the_mean_cross_entropy():
    logits, targets = example(2)
    found = normalized_focal(torch.tensor(logits), torch.tensor(targets), 1.0, 0.0)
    assert np.allclose(found.numpy(), -np.log(confidences(logits, targets)).mean(axis=(1, 2)))


def test_the_normaliser_is_not_differentiated():
    logits, targets = example(3, (1, 4, 4))
    values = torch.tensor(logits, requires_grad=True)
    normalized_focal(values, torch.tensor(targets)).sum().backward()

    def with_total_fixed(at):
        p = confidences(at, targets)
        return -0.5 * ((1 - p) ** 2 * np.log(p)).sum() / total

    total = ((1 - confidences(logits, targets)) ** 2).sum()
    step = 1e-6
    worst = np.argsort(confidences(logits, targets), axis=None)[:3]
    for place in zip(*np.unravel_index(worst, logits.shape), strict=True):
        moved = np.zeros_like(logits)
        moved[place] = step
        expected = (with_total_fixed(logits + moved) - with_total_fixed(logits - moved)) / (2 * step)
        assert float(values.grad[place]) == pytest.approx(expected, rel=1e-5)


def test_what_is_still_wrong_keeps_its_gradient_as_the_rest_gets_right():
    """Of one wrong pixel among right ones: the focal loss fades with their number, the normalized one does not."""
    gradients = {}
    for side in (8, 64):
        logits = torch.full((1, side, side), 9.0)
        logits[0, 0, 0] = -1.0
        for name, loss in (("normalized", normalized_focal), ("focal", focal)):
            values = logits.clone().requires_grad_()
            loss(values, torch.ones_like(values, dtype=torch.bool)).sum().backward()
            gradients[name, side] = float(values.grad[0, 0, 0].abs())
    assert gradients["normalized", 64] == pytest.approx(gradients["normalized", 8], rel=1e-3)
    assert gradients["focal", 64] < gradients["focal", 8] / 50


def test_a_mask_that_is_all_right_costs_nothing_and_stays_finite():
    values = torch.full((1, 3, 3), 200.0, requires_grad=True)
    found = normalized_focal(values, torch.ones(1, 3, 3, dtype=torch.bool))
    found.sum().backward()
    assert float(found.detach()) == 0 and bool(torch.isfinite(values.grad).all())


def test_focal_loss_is_its_formula():
    logits, targets = example(4)
    p = confidences(logits, targets)
    found = focal(torch.tensor(logits), torch.tensor(targets), 2.0)
    assert float(found) == pytest.approx(-((1 - p) ** 2 * np.log(p)).mean())
