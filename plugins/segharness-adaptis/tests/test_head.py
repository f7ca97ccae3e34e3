"""The instance-selection head, each part against its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segharness_adaptis.head import Controller, HeadShape, InstanceHead, adain, features_at, relative_coordinates
from segharness_adaptis.network import SHAPES
from torch import nn
from torch.nn import functional


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_adain_gives_each_map_the_scale_and_bias_asked_for():
    features, scale, bias = random(3, 4, 5, 6), random(3, 4, seed=1), random(3, 4, seed=2)
    found = adain(features, scale, bias)
    for n in range(3):
        for c in range(4):
            values = features[n, c].double()
            normal = (values - values.mean()) / torch.sqrt(values.var(unbiased=False) + 1e-5)
            expected = normal * scale[n, c] + bias[n, c]
            assert torch.allclose(found[n, c].double(), expected, atol=1e-5)
    assert torch.allclose(found.mean(dim=(2, 3)), bias, atol=1e-5)
    assert torch.allclose(found.std(dim=(2, 3), unbiased=False), scale.abs(), atol=1e-3)


def test_relative_coordinates_are_offsets_over_the_radius_clamped():
    [maps] = relative_coordinates(torch.tensor([[3.5, 1.0]]), height=3, width=120, radius=42.0)
    assert maps.shape == (2, 3, 120)
    assert maps[0, 0, 3] == 0 and maps[0, 2, 3] == 0, "x is 0 in the point's own column"
    assert maps[0, 1, 24] == pytest.approx(21 / 42) and maps[0, 1, 2] == pytest.approx(-1 / 42)
    assert maps[0, 0, 45] == 1 and maps[0, 0, 46] == 1 and maps[0, 0, 119] == 1, "further than R is 1"
    assert torch.allclose(maps[1, :, 0], torch.tensor([-0.5, 0.5, 1.5]) / 42)
    assert torch.equal(maps[1, :, 0], maps[1, :, 119])


def test_features_at_a_pixels_middle_are_the_pixels_and_between_two_their_mean():
    features = random(2, 3, 5, 7)
    points = torch.tensor([[[2.5, 3.5], [3.0, 3.5], [3.0, 1.0]], [[0.5, 0.5], [0.0, 0.0], [6.9, 4.9]]])
    found = features_at(features, points)
    assert found.shape == (2, 3, 3)
    for got, expected in (
        (found[0, 0], features[0, :, 3, 2]),
        (found[0, 1], (features[0, :, 3, 2] + features[0, :, 3, 3]) / 2),
        (found[0, 2], features[0, :, 0:2, 2:4].mean(dim=(1, 2))),
        (found[1, 0], features[1, :, 0, 0]),
        (found[1, 1], features[1, :, 0, 0]),
        (found[1, 2], features[1, :, 4, 6]),
    ):
        assert torch.allclose(got, expected, atol=1e-5)


def test_scales_begin_around_one_and_biases_around_zero():
    controller = Controller(8, 16, 4)
    assert torch.equal(controller.scale.bias, torch.ones(4)) and torch.equal(controller.bias.bias, torch.zeros(4))
    with torch.no_grad():
        for layer in (controller.scale, controller.bias):
            layer.weight.zero_()
    scale, bias = controller.eval()(random(5, 8))
    assert torch.equal(scale, torch.ones(5, 4)) and torch.equal(bias, torch.zeros(5, 4))


def test_the_first_convolution_is_one_over_features_and_coordinates():
    """It is split in two for speed; together they are the convolution over the concatenation."""
    head = InstanceHead(6, HeadShape(controller=8, before=5, after=3, radius=10.0)).eval()
    features, points = random(2, 6, 12, 9), torch.tensor([[[1.5, 2.5], [8.0, 11.0]], [[4.0, 4.0], [0.5, 0.5]]])
    weight = torch.cat([head.features.weight, head.coordinates.weight], dim=1)
    maps = relative_coordinates(points.flatten(0, 1), 12, 9, 10.0)
    both = torch.cat([features.repeat_interleave(2, dim=0), maps], dim=1)
    x = head.before(head.first(functional.conv2d(both, weight, head.features.bias, padding=1)))
    scale, bias = head.controller(features_at(features, points).flatten(0, 1))
    expected = 0.2 * head.after(adain(x, scale, bias)) - 1.7
    found = head(features, head.prepare(features), points)
    assert found.shape == (2, 2, 12, 9)
    assert torch.allclose(found.flatten(0, 1), expected[:, 0], atol=1e-5)


def test_the_head_has_the_papers_layers():
    head = InstanceHead(24, HeadShape(controller=64, before=32, after=16, radius=42.0))

    def kinds(part):
        return [type(m).__name__ for m in part.children()]

    layer = ["Conv2d", "ReLU", "BatchNorm2d"]
    assert kinds(head.first) == layer[1:] and kinds(head.before) == 2 * layer, "three layers before AdaIN"
    assert kinds(head.after) == [*layer, "Conv2d"] and head.after[-1].kernel_size == (1, 1)
    convolutions = [
        head.features,
        head.coordinates,
        *(m for m in [*head.before, *head.after] if isinstance(m, nn.Conv2d)),
    ]
    assert [m.out_channels for m in convolutions] == [32, 32, 32, 32, 16, 1]
    assert kinds(head.controller.hidden) == 3 * ["Linear", "ReLU", "BatchNorm1d"]
    assert {shape.head.radius for shape in SHAPES.values()} == {42.0}
