"""The authors' networks through the plugin: to the bit what their own evaluation gives, and what weights are taken."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import segharness_torch
import segharness_yolact
import torch
from PIL import Image
from segharness.model.foreign import ForeignModel
from segharness.store import PREDICTIONS, read_table

from tests.streets import street, write_coco

pytestmark = pytest.mark.slow

R50, PLUS = "yolact_resnet50_config", "yolact_plus_resnet50_config"
SETTINGS = {"nms_conf_thresh": 0.0, "max_num_detections": 20, "nms_top_k": 30}
DISTANCE = "transforms differ by"
REFERENCE = Path(__file__).with_name("reference.py")


@pytest.fixture
def pictures(shared, tmp_path):
    """Two photographs as PNG: every decoder has the same pixels."""
    files = []
    for path in sorted((shared / "data/coco-tiny/val2017").glob("*.jpg"))[:2]:
        files.append(tmp_path / f"{path.stem}.png")
        with Image.open(path) as photograph:
            photograph.convert("RGB").save(files[-1])
    return [str(file) for file in files]


@pytest.fixture
def foreign(yolact_python, source):
    """A function that makes a model in the environment of the authors' code."""
    models = []

    def make(config, weights="random", **options):
        file = Path(segharness_yolact.__file__).parent / "foreign_model.py"
        packages = {m.__name__: str(Path(m.__file__).parent) for m in (segharness_torch, segharness_yolact)}
        given = {"config": config, "source": source, "overrides": SETTINGS, **options}
        models.append(
            ForeignModel(yolact_python, (file, "build"), given, {"weights": weights, "device": "cpu"}, packages)
        )
        return models[-1]

    yield make
    for model in models:
        model.close()


@pytest.mark.shared
@pytest.mark.parametrize("config", [R50, PLUS])
def test_instances_are_those_of_the_authors_evaluation_to_the_bit(
    config, foreign, run_script, source, pictures, tmp_path
):
    """Random weights; YOLACT++'s from a file, with offsets that move taps, as their loader would load it."""
    weights = str(tmp_path / "old.pth") if config == PLUS else ""
    given = {"source": source, "config": config, "settings": SETTINGS, "images": pictures, "seed": 5}
    expected = run_script(REFERENCE, {**given, "weights": weights})
    model = foreign(config, weights or "random", seed=5)
    assert model.categories[0] == "person" and len(model.categories) == 80
    for file, wanted in zip(pictures, expected, strict=True):
        with Image.open(file) as image:
            [found] = model.predict([np.asarray(image.convert("RGB"))])
        # theirs lets a box through whose sides are both negative; it lies outside of the image
        keep = [i for i, box in enumerate(wanted["boxes"]) if min(box[2:]) > 0]
        wanted = {key: [value[i] for i in keep] if key != DISTANCE else value for key, value in wanted.items()}
        assert len(found.scores) > 5
        assert found.labels.tolist() == wanted["labels"]
        assert found.scores.astype(float).tolist() == wanted["scores"]
        corners = np.array(wanted["boxes"])
        corners[:, 2:] += corners[:, :2]
        assert np.array_equal(found.boxes, corners)
        assert [mask["counts"] for mask in found.masks] == wanted["masks"]
        assert len({*wanted["masks"]}) > 3
        assert (wanted["scores"] != wanted["box scores"]) is (config == PLUS) and max(wanted["scores"]) > 0
        assert wanted[DISTANCE] < 2e-4


def state(source):
    """The weights of a small network of theirs, made by the plugin in this process."""
    from segharness_yolact.foreign_model import build

    network = build(R50, "random", source, seed=2, overrides=SETTINGS)._network
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_files_of_weights_are_loaded_as_theirs_or_refused_by_name(source, tmp_path):
    pytest.importorskip("cv2")
    from segharness_yolact.foreign_model import build

    weights, file = state(source), tmp_path / "w.pth"

    def load(content, config=R50):
        torch.save(content, file)
        return build(config, str(file), source, seed=9, overrides=SETTINGS)._network.state_dict()

    old = {"backbone.layer3.0.conv1.weight": torch.ones(1), "fpn.downsample_layers.4.bias": torch.ones(1)}
    loaded = load({**weights, **old})
    assert all(torch.equal(loaded[name], value) for name, value in weights.items()) and {*loaded} == {*weights}

    part = {name: value for name, value in weights.items() if name != "fpn.downsample_layers.1.bias"}
    with pytest.raises(
        ValueError, match=r"w.pth: weights of another network: they lack `fpn.downsample_layers.1.bias`"
    ):
        load(part)
    with pytest.raises(ValueError, match=r"weights of another network: this one has no `backbone.layers.2.6"):
        load({**weights, "backbone.layers.2.6.conv1.weight": torch.ones(1)})
    with pytest.raises(ValueError, match=r"weights of another network: "):
        load(weights, "yolact_darknet53_config")
    with pytest.raises(ValueError, match=r"`proto_net.0.bias` is not finite"):
        load({**weights, "proto_net.0.bias": weights["proto_net.0.bias"] * float("nan")})
    with pytest.raises(ValueError, match="holds no state dict"):
        load([1, 2])


def test_nothing_in_a_file_of_weights_is_run(source, tmp_path):
    pytest.importorskip("cv2")
    from segharness_yolact.foreign_model import build

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "gone off",))

    for save, name in (
        (torch.save, "zip.pth"),
        (lambda content, path: path.write_bytes(pickle.dumps(content)), "p.pth"),
    ):
        save({"backbone.conv1.weight": Bomb()}, tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name}: "):
            build(R50, str(tmp_path / name), source)
    assert not (tmp_path / "gone off").exists()


def test_configs_and_settings_that_are_not_there_are_named(source):
    pytest.importorskip("cv2")
    from segharness_yolact.foreign_model import build

    with pytest.raises(ValueError, match=r"data/config.py: has no config yolact_r50; it has .*yolact_resnet50_config"):
        build("yolact_r50", "random", source)
    with pytest.raises(ValueError, match=r"has no config __import__\('os'\)"):
        build("__import__('os')", "random", source)
    with pytest.raises(ValueError, match=r"the config has no backbone.depth"):
        build(R50, "random", source, overrides={"backbone.depth": 3})
    with pytest.raises(ValueError, match=r"the network has 80 categories"):
        build(R50, "random", source, categories=__file__)
    pascal = build("yolact_resnet50_pascal_config", "random", source, overrides={"backbone.pred_scales.0": [16]})
    assert pascal.categories[0] == "aeroplane" and len(pascal.categories) == 20
    assert pascal._network.prediction_layers[0].scales == [16]


SUITE = """
segharness: 1
name: y
models:
MODELS
datasets: [{dataset: coco/2017, options: {root: coco}RESOLUTION}]
conditions: [clean, {corruptions: [gaussian_noise], severities: [3]}]
"""


@pytest.mark.parametrize("resolution", ["model", "original"])
def test_a_suite_runs_them(resolution, harness, yolact_python, source, tmp_path):
    scenes = {f"{i}": street(np.random.default_rng(i), 250, 260) for i in range(2)}
    write_coco(tmp_path / "coco", scenes)
    (tmp_path / "names.txt").write_text("person\ncar\n")
    settings = {**SETTINGS, "max_size": 256, "max_num_detections": 10, "num_classes": 3}
    options = {"source": source, "categories": "names.txt", "overrides": settings}
    lines = [
        f"  - {json.dumps({'id': id, 'model': f'yolact/{id}', 'weights': 'random', 'options': options})}"
        for id in ("resnet50", "plus-resnet50")
    ]
    assert harness("config", "set", "python.torchvision", yolact_python).code == 0
    text = SUITE.replace("RESOLUTION", "" if resolution == "model" else ", resolution: original")
    harness.write("y.yaml", text.replace("MODELS", "\n".join(lines)))
    done = harness("run", "y.yaml", "--no-bootstrap", "--workers", "1", timeout=600)
    assert done.code == 0, done.err
    for id in ("resnet50", "plus-resnet50"):
        folder = harness.folder / f"runs/y/predictions/{id}/coco-2017"
        tables = [read_table(file, PREDICTIONS)[0] for file in sorted(folder.rglob("*.arrow"))]
        assert len(tables) == 2 and all(5 < table.num_rows <= 20 for table in tables)
    results = [row for row in harness.results("y").to_pylist() if row["metric"] == "AP" and row["category"] is None]
    assert {row["model"] for row in results} == {"resnet50", "plus-resnet50"}
