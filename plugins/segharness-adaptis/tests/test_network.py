"""The network: its sizes, what it learns from, and that nothing outside of it is touched."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import segharness_adaptis
import torch
from segharness_adaptis.loss import focal
from segharness_adaptis.network import FULL, TOY, AdaptIS, Shape, seeded
from segharness_adaptis.task import TASKS, ToyTask
from segharness_adaptis.unet import UNet
from segharness_toycells.scene import make_scene


@pytest.fixture(scope="module")
def network():
    return seeded(0).eval()


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_a_level_halves_the_side_and_the_output_has_the_images_own():
    net = UNet((4, 6, 8)).eval()
    seen = []
    for level in [*net.down, *net.up]:
        level.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    assert net(torch.zeros(1, 3, 16, 24)).shape == (1, 4, 16, 24)
    assert seen == [(4, 16, 24), (6, 8, 12), (8, 4, 6), (6, 8, 12), (4, 16, 24)]
    assert net.multiple == 4


def test_the_authors_widths_are_five_levels_from_32_to_512():
    net = UNet(FULL.backbone)
    assert len(net.down) == 5 and net.multiple == 16
    assert [level[-2].num_features for level in net.down] == [32, 64, 128, 256, 512]


def test_sides_that_are_no_multiple_are_padded_and_cut(network):
    with torch.inference_mode():
        features = network.features(noise(1, 3, 50, 37))
    assert features.shape == (1, TOY.backbone[0], 50, 37)


def test_a_seed_is_a_network_and_leaves_torchs_generator_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    a, b, c = (seeded(seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["foreground.weight"], c["foreground.weight"])


def test_points_do_not_know_of_one_another(network):
    image, points = noise(1, 3, 32, 32), torch.tensor([[[3.5, 4.5], [20.0, 9.0], [31.5, 0.5]]])
    with torch.inference_mode():
        features = network.features(image)
        together = network.masks(features, points)
        alone = torch.cat([network.masks(features, points[:, i : i + 1]) for i in range(3)], dim=1)
    assert together.shape == (1, 3, 32, 32)
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0, 0], together[0, 1], atol=1e-3), "but each has a mask of its own"


def test_the_backbone_learns_nothing_from_the_proposals():
    net = AdaptIS(Shape((4, 6, 8, 8, 8), TOY.head))
    net.proposal_logits(net.features(noise(2, 3, 32, 32))).sum().backward()
    assert all(p.grad is None for p in net.backbone.parameters())
    assert all(p.grad is not None for p in net.proposals.parameters())


def test_every_parameter_gets_a_gradient_from_the_task():
    task = ToyTask(points=3)
    net = task.network(0)
    losses = task.loss(net, [make_scene(1, i) for i in range(2)], np.random.default_rng(0))
    assert set(losses) == {"masks", "foreground", "proposals"} and all(float(v.detach()) > 0 for v in losses.values())
    sum(losses.values()).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


def test_the_foreground_counts_three_quarters():
    task, scenes = ToyTask(points=1), [make_scene(1, i) for i in range(2)]
    net = task.network(0).eval()
    found = task.loss(net, scenes, np.random.default_rng(0))["foreground"]
    images = torch.from_numpy(np.stack([s.pixels for s in scenes])).permute(0, 3, 1, 2) / 255
    masks = torch.from_numpy(np.stack([s.masks.any(axis=0) for s in scenes]))
    expected = 0.75 * focal(net.foreground_logits(net.features(images)), masks)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_points_are_drawn_inside_the_masks_they_are_scored_against(monkeypatch):
    task, scenes = ToyTask(points=12), [make_scene(1, i) for i in range(3)]
    net, seen = task.network(0), {}
    monkeypatch.setattr(net, "masks", lambda f, points: seen.update(points=points) or AdaptIS.masks(net, f, points))
    import segharness_adaptis.task as module

    real = module.normalized_focal
    monkeypatch.setattr(
        module, "normalized_focal", lambda logits, targets: seen.update(t=targets) or real(logits, targets)
    )
    task.loss(net, scenes, np.random.default_rng(0))
    points, targets = seen["points"], seen["t"].view(3, 12, 96, 96)
    assert points.shape == (3, 12, 2)
    for image in range(3):
        for (x, y), mask in zip(points[image].tolist(), targets[image], strict=True):
            assert mask[int(y), int(x)]
            assert any(np.array_equal(mask.numpy(), m) for m in scenes[image].masks)


def test_the_recipes_are_the_shipped_weights_and_the_papers():
    shipped = json.loads((Path(segharness_adaptis.__path__[0]) / "weights/toy.json").read_text())
    task, recipe = TASKS["toy"]
    assert {"task": task.name, **asdict(recipe)} == {key: shipped[key] for key in shipped if key != "software"}
    _, paper = TASKS["full"]
    assert paper.steps * paper.batch / paper.images == 140 and paper.learning_rate == 5e-4


def test_the_shipped_log_is_the_trainings():
    rows = list(csv.DictReader((Path(segharness_adaptis.__path__[0]) / "weights/toy.csv").read_text().splitlines()))
    recipe = TASKS["toy"][1]
    assert int(rows[-1]["step"]) == recipe.steps and int(rows[-1]["images"]) == recipe.steps * recipe.batch
    assert float(rows[-1]["AP50"]) > 0.97 and float(rows[-1]["AP90"]) > 0.75
