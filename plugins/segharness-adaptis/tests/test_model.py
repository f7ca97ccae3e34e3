"""The shipped model: it finds the cells, by itself and under given points, at every size it says it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from segharness import UsageError
from segharness.testing import check_model
from segharness_adaptis.aggregate import Rules
from segharness_adaptis.model import AdaptISModel, toy, toy_points
from segharness_adaptis.plugin import segharness_models
from segharness_torch.threads import torch_threads
from segharness_toycells.scaling import enlarged
from segharness_toycells.scene import make_scene
from segharness_toycells.training.validation import average_precision

SPEC = segharness_models()[0]


@pytest.fixture(scope="module")
def weights(request):
    import segharness_adaptis

    return f"{segharness_adaptis.__path__[0]}/{SPEC.weights.shipped.partition(':')[2]}"


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


@pytest.mark.parametrize("points", ["random", "proposals"])
def test_contract(weights, points):
    images = [make_scene(3, 0).pixels, np.zeros((40, 50, 3), np.uint8), np.full((33, 96, 3), 255, np.uint8)]
    check_model(toy(weights, points), images)


def test_it_finds_the_cells_of_unseen_images(weights):
    for points in ("random", "proposals"):
        found = average_precision(toy(weights, points), 6)
        assert found["AP50"] > 0.9 and found["AP90"] > 0.5, points


def test_under_a_point_it_gives_the_object_there(weights):
    scene, model = make_scene(3, 1), toy_points(weights)
    assert model.prompt == "points"
    points = []
    for mask in scene.masks:
        rows, columns = np.nonzero(mask)
        middle = len(rows) // 2
        points.append((columns[middle], rows[middle]))
    [found] = model.predict([scene.pixels], [np.array(points, np.float32)])
    assert len(found.masks) == len(scene.masks)
    overlaps = [iou(a, b) for a, b in zip(found.masks, scene.masks, strict=True)]
    assert np.median(overlaps) > 0.85 and np.mean(overlaps) > 0.75
    [none] = model.predict([scene.pixels], [np.zeros((0, 2), np.float32)])
    assert none.masks.shape == (0, 96, 96)


def test_a_given_point_is_the_middle_of_a_pixel(weights, monkeypatch):
    seen = []
    model = toy_points(weights, shrink=4)
    monkeypatch.setattr(
        model._network.head, "forward", lambda f, s, points: seen.append(points) or torch.zeros(1, 2, 96, 96)
    )
    model.predict([np.zeros((384, 384, 3), np.uint8)], [np.array([[0, 3], [383, 8]], np.float32)])
    assert seen[0].tolist() == [[[0.125, 0.875], [95.875, 2.125]]]


def test_an_enlarged_image_gives_the_enlarged_masks(weights):
    scene = make_scene(3, 2)
    [small] = toy(weights, "proposals").predict([scene.pixels])
    [large] = toy(weights, "proposals", shrink=4).predict([enlarged(scene.pixels, 4, (0, 1))])
    assert np.array_equal(large.masks, enlarged(small.masks, 4, (1, 2)))
    assert np.array_equal(large.boxes, small.boxes * 4) and np.array_equal(large.scores, small.scores)
    [under] = toy_points(weights, shrink=4).predict(
        [enlarged(scene.pixels, 4, (0, 1))], [np.array([[201.5, 121.5]], np.float32)]
    )
    [same] = toy_points(weights).predict([scene.pixels], [np.array([[50, 30]], np.float32)])
    assert np.array_equal(under.masks, enlarged(same.masks, 4, (1, 2)))


def test_results_do_not_depend_on_how_many_threads_there_are(weights):
    model, found = toy(weights, "proposals"), []
    for count in (1, 2):
        with torch_threads(count):
            found.append(model.predict([make_scene(3, 3).pixels])[0])
            assert torch.get_num_threads() == count
    assert np.array_equal(found[0].scores, found[1].scores) and np.array_equal(found[0].masks, found[1].masks)


def test_an_image_does_not_depend_on_what_came_before(weights):
    model, images = toy(weights), [make_scene(3, i).pixels for i in range(2)]
    _, second = model.predict(images)
    [again] = toy(weights).predict(images[1:])
    assert np.array_equal(again.masks, second.masks) and np.array_equal(again.scores, second.scores)
    [other] = toy(weights, seed=1).predict(images[1:])
    assert not np.array_equal(other.scores, second.scores)


def test_it_works_on_images_larger_than_it_was_trained_on(weights):
    """Four images in one; 40 iterations, the authors' limit, are too few for it."""
    scenes = [make_scene(3, i) for i in range(4)]
    tiled = np.block([[[scenes[0].pixels], [scenes[1].pixels]], [[scenes[2].pixels], [scenes[3].pixels]]])
    truth = [np.pad(m, ((96 * (i // 2), 96 - 96 * (i // 2)), (96 * (i % 2), 96 - 96 * (i % 2))))
             for i, scene in enumerate(scenes) for m in scene.masks]  # fmt: skip
    network = toy(weights)._network
    [found] = AdaptISModel(network, "proposals", rules=Rules(iterations=200)).predict([tiled])
    assert tiled.shape == (192, 192, 3) and found.masks.shape[1:] == (192, 192)
    hits = sum(max(iou(mask, other) for other in found.masks) > 0.5 for mask in truth)
    assert hits >= 0.85 * len(truth)
    assert len(found.masks) <= 1.1 * len(truth)
    [few] = AdaptISModel(network, "proposals").predict([tiled])
    assert len(few.masks) <= 40 < len(truth)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": "best"}, "is 'best', not random or proposals"),
        ({"candidates": 0}, "is 0, not a whole number from 1 to 1000"),
        ({"candidates": 10**9}, "is 1000000000, not a whole number from 1 to 1000"),
        ({"shrink": 1.5}, "is 1.5, not a whole number from 1 to 16"),
        ({"seed": -1}, "is -1, not a whole number of at least 0"),
        ({"seed": 2**128}, "is 3402823669209384634633746074317682114"),
        ({"network": ["toy"]}, "is ['toy'], not toy or full"),
    ],
)
def test_wrong_options(options, message):
    known = next(spec for spec in segharness_models() if spec.name == "adaptis/toy").options
    [(key, value)] = options.items()
    assert known[key].check(value).startswith(message)


def test_weights_of_the_other_widths_are_refused(weights, tmp_path):
    with pytest.raises(UsageError, match="`network: full` comes without weights; give `weights:`"):
        toy(weights, network="full")
    copy = tmp_path / "toy.safetensors"
    copy.write_bytes(Path(weights).read_bytes())
    with pytest.raises(UsageError, match=r"weights of another AdaptIS: `.*` is \["):
        toy(str(copy), network="full")


def test_a_network_that_says_nothing_finite_fails_instead_of_finding_nothing(weights):
    model = toy(weights)
    with torch.no_grad():
        model._network.backbone.up[-1][-2].running_var.fill_(-1)
    with pytest.raises(ValueError, match="features are not finite"):
        model.predict([make_scene(3, 0).pixels])


def test_an_image_that_cannot_be_shrunk_says_so(weights):
    with pytest.raises(ValueError, match="cannot be shrunk 4 times; see the option `shrink`"):
        toy(weights, shrink=4).predict([np.zeros((97, 96, 3), np.uint8)])


def test_the_weights_are_small_and_half_precision(weights):
    from safetensors import safe_open

    assert Path(weights).stat().st_size < 10 << 20
    with safe_open(weights, "pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert kinds == {torch.float16, torch.int64}


@pytest.mark.parametrize("change", ["truncated", "a byte", "another network's", "missing"])
def test_other_weights_are_refused_before_the_first_cell(harness, weights, change):
    """The plugin beside the suite offers the same model with a copy of its weights, and damages it."""
    harness.write("copied/__init__.py", "")
    target = harness.folder / "copied/toy.safetensors"
    data = bytearray(Path(weights).read_bytes())
    if change == "truncated":
        data = data[:-1000]
    elif change == "a byte":
        data[len(data) // 2] ^= 1
    elif change == "another network's":
        data = bytearray(save({"stranger": torch.zeros(3)}))
    if change != "missing":
        target.write_bytes(data)
    harness.write(
        "segharness_plugins.py",
        f"""
        from segharness import ModelSpec, WeightsSpec, hookimpl

        @hookimpl
        def segharness_models():
            weights = WeightsSpec("optional", shipped="copied:toy.safetensors", sha256={SPEC.weights.sha256!r})
            return [ModelSpec("copied/toy", factory={SPEC.factory!r}, weights=weights)]
        """,
    )
    harness.write(
        "s.yaml",
        "segharness: 1\nmodels: [copied/toy]\ndatasets: [{dataset: toycells/quick, limit: 1}]\nconditions: [clean]\n",
    )
    done = harness("run", "s.yaml")
    assert done.code == 4 and "Traceback" not in done.err
    assert "the weights of model `copied/toy` are" in done.err and "toy.safetensors" in done.err


def test_a_users_weights_of_another_network_are_refused_by_name(harness):
    other = harness.folder / "other.safetensors"
    other.write_bytes(save({"stranger": torch.zeros(3)}))
    harness.write(
        "s.yaml",
        f"segharness: 1\nmodels: [{{model: adaptis/toy, weights: {other}}}]\n"
        "datasets: [{dataset: toycells/quick, limit: 1}]\nconditions: [clean]\n",
    )
    done = harness("run", "s.yaml")
    assert done.code == 1 and "Traceback" not in done.err
    assert "weights of another network than AdaptIS" in done.err


def test_both_models_ship_the_same_weights():
    first, second = segharness_models()
    assert replace(second, name=first.name, factory=first.factory, description="", tags=(), options={}) == replace(
        first, description="", tags=(), options={}
    )


@pytest.mark.parametrize("shrink", [1, 4])
def test_what_enters_the_network_is_recorded(weights, monkeypatch, shrink):
    model, given = toy(weights, shrink=shrink), []
    features = model._network.features
    monkeypatch.setattr(model._network, "features", lambda pixels: given.append(pixels.shape) or features(pixels))
    [found] = model.predict([enlarged(make_scene(3, 0).pixels, shrink, (0, 1))])
    assert found.network_input == (96, 96, "none" if shrink == 1 else "area", (0, 0, 0, 0))
    assert tuple(given[0][-2:]) == (96, 96)
