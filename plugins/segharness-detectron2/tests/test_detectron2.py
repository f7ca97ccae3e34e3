"""detectron2 in an environment of its own: to the bit what its DefaultPredictor gives there; and what needs none."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import segharness_detectron2
import segharness_torch
from PIL import Image
from pycocotools import mask as rle
from segharness.model.foreign import ForeignModel
from segharness_detectron2.catalogue import Published, catalogue

from tests.streets import street, write_coco

VARIABLE = "SEGHARNESS_TEST_DETECTRON2_PYTHON"
QUICK = {"INPUT.MIN_SIZE_TEST": 200, "INPUT.MAX_SIZE_TEST": 240, "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0}
QUICK |= {"TEST.DETECTIONS_PER_IMAGE": 30, "MODEL.RPN.POST_NMS_TOPK_TEST": 60}
QUICK |= {"MODEL.RESNETS.NORM": "GN", "MODEL.FPN.NORM": "GN"}  # with frozen statistics untrained sums overflow
CONFIGS = ["COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml", "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml",
           "Misc/cascade_mask_rcnn_R_50_FPN_3x.yaml"]  # fmt: skip
LAZY = {
    "dataloader.test.mapper.augmentations.0.short_edge_length": 200,
    "model.roi_heads.box_predictor.test_score_thresh": 0.0,
}

REFERENCE = """
import json, sys
import cv2, numpy as np, torch
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.engine import DefaultPredictor

given = json.loads(sys.argv[1])
torch.set_num_threads(1)
cfg = get_cfg()
cfg.merge_from_file(model_zoo.get_config_file(given["config"]))
cfg.MODEL.WEIGHTS, cfg.MODEL.DEVICE = "", "cpu"
cfg.merge_from_list([part for item in given["overrides"].items() for part in item])
torch.manual_seed(given["seed"])
predictor = DefaultPredictor(cfg)
found = {}
for file in given["images"]:
    one = predictor(cv2.imread(file))["instances"]
    found[file] = {"boxes": one.pred_boxes.tensor.numpy(), "scores": one.scores.numpy(), "labels": one.pred_classes.numpy()}
    if one.has("pred_masks"):
        found[file]["masks"] = one.pred_masks.numpy()
arrays = {f"{i}-{key}": value for i, file in enumerate(given["images"]) for key, value in found[file].items()}
np.savez(given["out"], **arrays)
if given["zoo"]:
    import pickle
    state = {key: value.numpy() for key, value in predictor.model.state_dict().items()}
    with open(given["zoo"], "wb") as file:
        pickle.dump({"model": state, "__author__": "a test"}, file)
"""


@pytest.fixture(scope="module")
def detectron2_python() -> str:
    if VARIABLE not in os.environ:
        pytest.skip(f"detectron2 must be built from source (docs/environments.md); set {VARIABLE}")
    return os.environ[VARIABLE]


@pytest.fixture
def pictures(shared, tmp_path):
    """Two photographs as PNG: every decoder has the same pixels."""
    files = []
    for path in sorted((shared / "data/coco-tiny/val2017").glob("*.jpg"))[:2]:
        files.append(tmp_path / f"{path.stem}.png")
        with Image.open(path) as photograph:
            photograph.convert("RGB").save(files[-1])
    return [str(file) for file in files]


def reference(python, folder, config, images, zoo=None):
    script, out = folder / "reference.py", folder / "reference.npz"
    script.write_text(REFERENCE)
    given = {"config": config, "overrides": QUICK, "seed": 5, "images": images, "out": str(out), "zoo": zoo}
    done = subprocess.run([python, "-W", "ignore", script, json.dumps(given)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return np.load(out)


def there(python, config, weights="random", **options):
    file = Path(segharness_detectron2.__file__).parent / "foreign_model.py"
    packages = {"segharness_torch": str(Path(segharness_torch.__file__).parent)}
    given = {"config": config, "overrides": QUICK, **options}
    return ForeignModel(python, (file, "build"), given, {"weights": weights, "device": "cpu"}, packages)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_instances_are_those_of_its_defaultpredictor_to_the_bit(config, detectron2_python, pictures, tmp_path):
    expected = reference(detectron2_python, tmp_path, config, pictures)
    model = there(detectron2_python, config, seed=5)
    try:
        assert model.categories[0] == "person" and len(model.categories) == 80
        for i, file in enumerate(pictures):
            [found] = model.predict([np.asarray(Image.open(file).convert("RGB"))])
            assert len(found.scores) > 5
            for key in ("boxes", "scores", "labels"):
                assert np.array_equal(getattr(found, key), expected[f"{i}-{key}"])
            if f"{i}-masks" in expected:
                wanted = [rle.encode(np.asfortranarray(m.astype(np.uint8))) for m in expected[f"{i}-masks"]]
                assert [m["counts"] for m in found.masks] == [m["counts"].decode() for m in wanted]
                assert sum(rle.area(m) for m in wanted) > 0
            else:
                assert found.masks is None
    finally:
        model.close()


@pytest.mark.shared
@pytest.mark.slow
def test_weights_as_the_zoo_has_them(detectron2_python, pictures, tmp_path):
    """A .pkl of numpy arrays: loaded without running anything of it, and the network is the one it was taken from."""
    zoo = tmp_path / "model_final.pkl"
    expected = reference(detectron2_python, tmp_path, CONFIGS[0], pictures[:1], str(zoo))
    model = there(detectron2_python, CONFIGS[0], str(zoo), seed=1)
    try:
        [found] = model.predict([np.asarray(Image.open(pictures[0]).convert("RGB"))])
        assert np.array_equal(found.scores, expected["0-scores"])
        assert np.array_equal(found.boxes, expected["0-boxes"])
    finally:
        model.close()
    content = pickle.loads(zoo.read_bytes())  # our own, written a moment ago
    first = next(key for key in content["model"] if key.endswith("weight"))
    del content["model"][first]
    zoo.write_bytes(pickle.dumps(content))
    with pytest.raises(Exception, match="weights of another network: they lack"):
        there(detectron2_python, CONFIGS[0], str(zoo))


@pytest.mark.shared
@pytest.mark.slow
def test_lazy_configs_and_projects_run(detectron2_python, pictures):
    image = np.asarray(Image.open(pictures[0]).convert("RGB"))
    model = there(detectron2_python, "new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ.py", overrides=LAZY)
    try:
        [found] = model.predict([image])
        assert len(found.scores) == len(found.masks) > 2
    finally:
        model.close()
    with pytest.raises(Exception, match="give the option `source`, a checkout of detectron2"):
        there(detectron2_python, "projects/MViTv2/configs/mask_rcnn_mvitv2_t_3x.py")
    if checkout := os.environ.get("SEGHARNESS_TEST_DETECTRON2_SOURCE"):
        for config in ("MViTv2/configs/mask_rcnn_mvitv2_t_3x.py",
                       "PointRend/configs/InstanceSegmentation/pointrend_rcnn_R_50_FPN_3x_coco.yaml"):  # fmt: skip
            more = QUICK if config.endswith("yaml") else LAZY
            model = there(detectron2_python, f"projects/{config}", source=checkout, overrides=more)
            try:
                [found] = model.predict([image])
                assert len(found.scores) == len(found.masks) > 2
            finally:
                model.close()


def test_every_config_has_a_name_and_says_what_it_is():
    found = {one.name: one for one in catalogue().values()}
    assert len(found) == len(catalogue()) > 100
    syncbn = found["scratch_mask_rcnn_R_50_FPN_9x_syncbn"]
    assert syncbn.published == {"box AP": 43.6, "mask AP": 39.3}
    about = {"normalisation": "SyncBN", "initialisation": "scratch", "epochs": 108, "backbone": "ResNet-50-FPN"}
    assert syncbn.metadata == {
        **about,
        "head": "Mask R-CNN",
        "family": "Mask R-CNN",
        "trained_on": "COCO train2017",
        "config": "Misc/scratch_mask_rcnn_R_50_FPN_9x_syncbn.yaml",
    }
    assert found["mask_rcnn_R_50_FPN_1x"].config == "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml"
    assert "LVISv1-InstanceSegmentation/mask_rcnn_R_50_FPN_1x" in found


def test_sets_name_models_that_are_there_with_published_weights(harness):
    names = {one["name"]: one for one in json.loads(harness("models", "--json").out)}
    sets = [one for name, one in names.items() if one["kind"] == "modelset"]
    assert {"detectron2/normalisation", "mmdet/architectures"} <= {one["name"] for one in sets}
    for one in sets:
        for name in one["models"].values():
            assert "published" in names[name]["weights"]["names"], name


@pytest.fixture
def planned(harness, tmp_path):
    write_coco(tmp_path / "coco", {"a": street(np.random.default_rng(2), 40, 60)})
    return harness


def test_weights_that_are_not_there_are_named_before_the_first_cell(planned, pretend, monkeypatch, tmp_path):
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    suite = "segharness: 1\nmodels: [{model: detectron2/normalisation, weights: published}]\nreference: r50-fpn\n"
    planned.write("s.yaml", suite + "datasets: [{dataset: coco/2017, options: {root: coco}}]\nconditions: [clean]\n")
    assert planned("collect", "s.yaml").out.count("::clean") == 5
    assert planned("config", "set", "python.detectron2", str(pretend("detectron2"))).code == 0
    done = planned("run", "s.yaml", "-k", "syncbn and not scratch")
    file = "detectron2/Misc/mask_rcnn_R_50_FPN_3x_syncbn/169527823/model_final_3b3c51.pkl"
    assert done.code == 4 and f"at {tmp_path}/cache/{file}, or give a file" in done.err
    assert "R_50_FPN_3x_gn" not in done.err  # what is not selected is not fetched


def test_every_model_of_a_set_takes_the_checkout(planned, tmp_path):
    suite = (
        "segharness: 1\nmodels: [{model: detectron2/backbones, weights: published, options: {source: ./checkout}}]\n"
    )
    planned.write("s.yaml", suite + "datasets: [{dataset: coco/2017, options: {root: coco}}]\nconditions: [clean]\n")
    done = planned("run", "s.yaml")
    assert done.code == 4 and "s.yaml:2:" in done.err and f"no file or folder {tmp_path}/checkout" in done.err
    planned.write("checkout/projects/MViTv2/configs/c.py", "")
    assert planned("collect", "s.yaml").out.count("::clean") == 6


def test_an_interpreter_without_the_framework_is_refused(planned):
    suite = "segharness: 1\nmodels: [{model: detectron2/mask_rcnn_R_50_FPN_3x, weights: random, python: PYTHON}]\n"
    suite += "datasets: [{dataset: coco/2017, options: {root: coco}}]\nconditions: [clean]\n"
    planned.write("s.yaml", suite.replace("PYTHON", sys.executable))
    done = planned("run", "s.yaml")
    assert done.code == 4 and f"python: {sys.executable}: its environment lacks detectron2" in done.err


def test_there_is_nothing_of_torch_in_the_catalogues(harness):
    code = "import segharness_mmdet.plugin as m, segharness_detectron2.plugin as d, sys; m.segharness_models(); "
    code += "d.segharness_models(); assert not {'torch', 'mmdet', 'detectron2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_that_is_not_what_its_name_says_is_refused(monkeypatch, tmp_path):
    """detectron2's files have the beginning of their md5 in their names."""
    from segharness import UsageError
    from segharness_detectron2.fetch_weights import fetch

    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path))
    content = b"weights"
    declared = hashlib.md5(content).hexdigest()[:6]
    entry = Published("m", "m.yaml", f"https://example.org/detectron2/model_final_{declared}.pkl")
    monkeypatch.setattr("segharness_detectron2.fetch_weights.catalogue", lambda: {"m.yaml": entry})
    file = tmp_path / f"detectron2/model_final_{declared}.pkl"
    file.parent.mkdir()
    file.write_bytes(content)
    assert fetch("published", "m.yaml") == file
    for damaged in (content[:-1], b"", b"others!"):
        file.write_bytes(damaged)
        with pytest.raises(UsageError, match=f"has the md5 ......\\.\\.\\., not {declared}"):
            fetch("published", "m.yaml")


def test_every_published_file_says_its_md5():
    links = [entry.weights for entry in catalogue().values() if entry.weights]
    unnamed = [link for link in links if not re.search(r"_[0-9a-f]{6}\.pkl$", link)]
    assert len(links) > 50 and unnamed == []
