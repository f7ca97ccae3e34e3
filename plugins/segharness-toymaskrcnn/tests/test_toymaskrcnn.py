"""The small Mask R-CNN: its norms, what it learns from, and the shipped models."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import segharness_toymaskrcnn
import torch
from segharness import UsageError
from segharness.testing import check_model
from segharness_torch.threads import torch_threads
from segharness_toycells.scaling import enlarged
from segharness_toycells.scene import make_scene
from segharness_toycells.training.validation import average_precision
from segharness_toymaskrcnn.model import batch_norm, group_norm
from segharness_toymaskrcnn.network import NORMS, Backbone, ToyMaskRCNN, seeded
from segharness_toymaskrcnn.plugin import segharness_models
from segharness_toymaskrcnn.task import TASKS, ToyTask
from torch import nn

FACTORIES = {"bn": batch_norm, "gn": group_norm}


@pytest.fixture(params=["bn", "gn"])
def norm(request):
    return request.param


def weights(norm):
    return f"{segharness_toymaskrcnn.__path__[0]}/weights/{norm}.safetensors"


def test_one_norm_throughout(norm):
    kinds = {type(m) for m in seeded(norm, 0).modules() if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm))}
    assert kinds == {{"bn": nn.BatchNorm2d, "gn": nn.GroupNorm}[norm]}


def test_the_two_differ_in_their_norm_alone():
    shapes = [{k: v.shape for k, v in seeded(n, 0).named_parameters()} for n in ("bn", "gn")]
    assert shapes[0] == shapes[1]


def test_the_pyramid_has_strides_4_8_and_16(norm):
    maps = Backbone(NORMS[norm]).eval()(torch.zeros(1, 3, 384, 384))
    assert [tuple(m.shape) for m in maps.values()] == [(1, 32, 96, 96), (1, 32, 48, 48), (1, 32, 24, 24)]


def test_images_are_enlarged_four_times(norm):
    for height, width in ((96, 96), (192, 192), (48, 80)):
        images, _ = seeded(norm, 0).transform([torch.zeros(3, height, width)])
        assert images.image_sizes == [(4 * height, 4 * width)]


def test_a_seed_is_a_network_and_a_step_and_leaves_torchs_generator_alone(norm):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    task, scenes = ToyTask(norm), [make_scene(1, i) for i in range(2)]
    losses = [task.loss(task.network(0).train(), scenes, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    values = [{name: float(value.detach()) for name, value in one.items()} for one in losses]
    assert values[0] == values[1] != values[2]
    assert set(values[0]) == {"loss_classifier", "loss_box_reg", "loss_mask", "loss_objectness", "loss_rpn_box_reg"}


def test_every_parameter_gets_a_gradient(norm):
    task = ToyTask(norm)
    network = task.network(0).train()
    sum(task.loss(network, [make_scene(1, i) for i in range(2)], np.random.default_rng(0)).values()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_contract(norm):
    images = [make_scene(3, 0).pixels, np.zeros((40, 50, 3), np.uint8), np.full((33, 96, 3), 255, np.uint8)]
    check_model(FACTORIES[norm](weights(norm)), images)


def test_it_finds_the_cells_of_unseen_images(norm):
    assert average_precision(FACTORIES[norm](weights(norm)), 6)["AP50"] > 0.8


def test_an_enlarged_image_gives_the_enlarged_masks(norm):
    scene = make_scene(3, 2)
    [small] = FACTORIES[norm](weights(norm)).predict([scene.pixels])
    [large] = FACTORIES[norm](weights(norm), shrink=4).predict([enlarged(scene.pixels, 4, (0, 1))])
    assert len(small.scores) > 5
    assert np.array_equal(large.masks, enlarged(small.masks, 4, (1, 2)))
    assert np.allclose(large.boxes, small.boxes * 4) and np.array_equal(large.scores, small.scores)


def test_the_models_output_is_torchvisions_own(norm):
    model, image = FACTORIES[norm](weights(norm)), make_scene(3, 3).pixels
    [found] = model.predict([image])
    network: ToyMaskRCNN = model._network
    with torch.inference_mode(), torch_threads(1):
        [own] = network([torch.from_numpy(image).permute(2, 0, 1) / 255])
    assert np.array_equal(found.boxes, own["boxes"].numpy()) and np.array_equal(found.scores, own["scores"].numpy())
    assert np.array_equal(found.masks, own["masks"][:, 0].numpy() >= 0.5)


def test_results_do_not_depend_on_how_many_threads_there_are(norm):
    model, image, found = FACTORIES[norm](weights(norm)), make_scene(3, 3).pixels, []
    for count in (1, 2):
        with torch_threads(count):
            found.append(model.predict([image])[0])
            assert torch.get_num_threads() == count
    assert np.array_equal(found[0].boxes, found[1].boxes) and np.array_equal(found[0].masks, found[1].masks)


def test_each_norms_weights_are_its_own():
    specs = {spec.name: spec for spec in segharness_models()}
    assert set(specs) == {"toymaskrcnn/bn", "toymaskrcnn/gn"}
    assert len({spec.weights.sha256 for spec in specs.values()}) == 2
    with pytest.raises(UsageError, match="weights of another network than ToyMaskRCNN"):
        group_norm(weights("bn"))


def test_recipes_and_logs_are_the_shipped_weights(norm):
    folder = Path(segharness_toymaskrcnn.__path__[0]) / "weights"
    task, recipe = TASKS[norm]
    assert {"task": task.name, **asdict(recipe)} == {
        key: value for key, value in json.loads((folder / f"{norm}.json").read_text()).items() if key != "software"
    }
    rows = list(csv.DictReader((folder / f"{norm}.csv").read_text().splitlines()))
    assert int(rows[-1]["step"]) == recipe.steps and float(rows[-1]["AP50"]) > 0.9


@pytest.mark.parametrize(("resolution", "times", "how"), [("model", 4, "bilinear"), ("original", 1, "none")])
def test_what_enters_the_network_is_recorded(norm, resolution, times, how):
    model = FACTORIES[norm](weights(norm), resolution=resolution)
    entered = []
    model._network.backbone.register_forward_pre_hook(lambda part, inputs: entered.append(inputs[0].shape))
    [found] = model.predict([np.full((96, 96, 3), 90, np.uint8)])
    assert found.network_input == (96 * times, 96 * times, how, (0, 0, 0, 0))
    assert tuple(entered[0][-2:]) == (96 * times, 96 * times)
    [found] = model.predict([np.full((48, 80, 3), 90, np.uint8)])
    height, width, _, padding = found.network_input
    assert (height - padding[1], width - padding[3]) == (48 * times, 80 * times)
    assert tuple(entered[1][-2:]) == (height, width)
