"""mmdet in an environment of its own: to the bit what its inference function gives, and AP as its CocoMetric has it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segharness.store import PREDICTIONS, read_table
from segharness_mmdet.catalogue import catalogue

CONFIGS = {
    "rtmdet-ins": "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py",
    "mask-rcnn": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "scnet": "scnet/scnet_r50_fpn_1x_coco.py",
    "htc": "htc/htc_r50_fpn_1x_coco.py",
    "point-rend": "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py",
    "yolact": "yolact/yolact_r50_1xb8-55e_coco.py",
}
COMPARED = ("rtmdet-ins", "mask-rcnn", "scnet")
SEED = 3
_HEADS = {"rtmdet-ins": ["bbox_head"], "yolact": ["bbox_head", "mask_head"]}
_CASCADED = [f"roi_head.bbox_head.{i}" for i in range(3)]
_HEADS |= {"mask-rcnn": ["roi_head.bbox_head", "roi_head.mask_head"], "scnet": [*_CASCADED, "roi_head.mask_head"]}
_HEADS["htc"] = [*_CASCADED, *(f"roi_head.mask_head.{i}" for i in range(3))]
_HEADS["point-rend"] = ["roi_head.bbox_head", "roi_head.mask_head", "roi_head.point_head"]


def overrides(name):
    """One category, small images, few proposals, no threshold: quick, and not empty."""
    found = {f"model.{head}.num_classes": 1 for head in _HEADS[name]}
    if name in ("rtmdet-ins", "yolact"):
        found |= {"model.test_cfg.score_thr": 0.0, "model.test_cfg.max_per_img": 100}
    else:
        found |= {
            "model.test_cfg.rpn.max_per_img": 60,
            "model.test_cfg.rcnn.score_thr": 0.0,
            "model.test_cfg.rcnn.max_per_img": 30,
            "model.test_cfg.rcnn.mask_thr_binary": 0.3 if name == "scnet" else 0.5,  # untrained, it is below 0.5
        }
    if name != "yolact":
        found["test_dataloader.dataset.pipeline.1.scale"] = (224, 192)
    return found


REFERENCE = """
import json, sys
import numpy as np, torch
from PIL import Image
from mmdet.apis import inference_detector, init_detector
from mmdet.evaluation import CocoMetric
from mmengine.logging.history_buffer import HistoryBuffer
from pycocotools import mask as rle

given = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(given["seed"])
overrides = {key: tuple(value) if isinstance(value, list) else value for key, value in given["overrides"].items()}
model = init_detector(given["config"], None, "coco", "cpu", overrides)
metric = None
found = {}
if given["truth"]:
    metric = CocoMetric(given["truth"], metric=["bbox", "segm"], iou_thrs=[0.001, 0.01])
    metric.dataset_meta = {"classes": ("thing",)}
for id, file in given["images"]:
    image = np.asarray(Image.open(file).convert("RGB"))
    sample = inference_detector(model, np.ascontiguousarray(image[..., ::-1]))
    one = sample.pred_instances.cpu()
    masks = np.asarray(one.masks).astype(np.uint8)
    found[file] = {"boxes": one.bboxes.numpy().astype(float).tolist(), "labels": one.labels.tolist(),
                   "scores": one.scores.numpy().astype(float).tolist(),
                   "masks": [rle.encode(np.asfortranarray(m))["counts"].decode() for m in masks]}
    if metric is not None:
        sample.set_metainfo({"img_id": id, "ori_shape": image.shape[:2]})
        metric.process({}, [{**sample.to_dict(), "img_id": id, "ori_shape": image.shape[:2]}])
meta = {"dataset_meta": {"classes": ("thing",)}, "epoch": 3, "seed": np.int64(1), "time": np.float64(0.5)}
history = {"log_scalars": {"loss": HistoryBuffer([1.0, 0.5], [1, 1])}}
torch.save({"state_dict": model.state_dict(), "meta": meta, "message_hub": history}, given["checkpoint"])
scores = {k: float(v) for k, v in metric.evaluate(len(given["images"])).items()} if metric is not None else {}
with open(given["out"], "w") as file:
    json.dump({"found": found, "scores": scores}, file)
"""


def reference(python, folder, name, images, truth=None):
    """Return what mmdet's own functions give in its environment."""
    script, out = folder / "reference.py", folder / f"{name}.json"
    script.write_text(REFERENCE)
    configs = subprocess.run(
        [python, "-c", "import mmdet, os; print(os.path.dirname(mmdet.__file__))"], capture_output=True, text=True
    ).stdout.strip()
    given = {
        "config": f"{configs}/.mim/configs/{CONFIGS[name]}",
        "seed": SEED,
        "overrides": overrides(name),
        "images": images,
        "truth": truth and str(truth),
        "out": str(out),
        "checkpoint": str(folder / f"{name}.pth"),
    }
    done = subprocess.run([python, script, json.dumps(given)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(out.read_text())


def photographs(things):
    content = json.loads((things / "annotations/instances_val2017.json").read_text())
    return [(image["id"], str(things / "val2017" / image["file_name"])) for image in content["images"]]


SUITE = """
segharness: 1
name: m
models:
MODELS
datasets: [{dataset: coco/2017, options: {root: "${root}"}}]
conditions: [clean]
scoring:
  metrics:
    - {id: loose, metric: coco, options: {iou_thresholds: [0.001, 0.01], areas: {}, max_dets: [100]}}
"""


def models(things, *names, **more):
    """Return the lines of a suite's models."""
    lines = []
    for name in names:
        options = {"seed": SEED, "categories": str(things / "names.txt"), "overrides": overrides(name)}
        model = {"id": name, "model": f"mmdet/{Path(CONFIGS[name]).stem}", "weights": "random", "options": options}
        lines.append(f"  - {json.dumps({**model, **more})}")
    return "\n".join(lines)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_instances_are_its_inference_functions_to_the_bit_and_ap_is_its_cocometrics(
    name, harness, mmdet_python, things, tmp_path
):
    images, truth = photographs(things), things / "annotations/instances_val2017.json"
    expected = reference(mmdet_python, tmp_path, name, images, truth)
    lines = models(things, name, python=str(mmdet_python))
    if name == "mask-rcnn":  # as mmengine saves it, with what is beside the weights; it says what its categories are
        more = {"id": "loaded", "weights": str(tmp_path / f"{name}.pth"), "options": {"overrides": overrides(name)}}
        lines += "\n" + models(things, name, python=str(mmdet_python), **more)
    harness.write("m.yaml", SUITE.replace("MODELS", lines))
    done = harness("run", "m.yaml", "--no-bootstrap", "--workers", "1", "--var", f"root={things}", timeout=600)
    assert done.code == 0, done.err
    stored, _ = read_table(harness.folder / f"runs/m/predictions/{name}/coco-2017/clean/00000.arrow", PREDICTIONS)
    rows = stored.to_pylist()
    for id, file in images:
        found, wanted = [row for row in rows if row["image_id"] == id], expected["found"][file]
        assert len(found) > 5
        assert [row["score"] for row in found] == wanted["scores"]
        assert [row["mask"].decode() for row in found] == wanted["masks"]
        with Image.open(file) as image:
            corners = np.clip(np.array(wanted["boxes"]), 0, [image.width, image.height] * 2)
        sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        assert np.array_equal([row["bbox"] for row in found], sides.astype(np.float32))
    assert any(rle.area({"size": [1, 1], "counts": row["mask"]}) for row in rows)
    if name == "mask-rcnn":
        again, _ = read_table(harness.folder / "runs/m/predictions/loaded/coco-2017/clean/00000.arrow", PREDICTIONS)
        assert again.equals(stored)
    results = [row for row in harness.results("m").to_pylist() if row["model"] == name]
    for task in ("bbox", "segm"):
        [ours] = [r["value"] for r in results if (r["task"], r["metric"], r["category"]) == (task, "AP", None)]
        assert ours == pytest.approx(expected["scores"][f"coco/{task}_mAP"], abs=5.1e-4)  # it rounds to three digits
        assert ours > 0.001, (name, task)


@pytest.mark.shared
@pytest.mark.slow
def test_others_run_in_the_environment_of_the_settings(harness, mmdet_python, things):
    assert harness("config", "set", "python.mmdet", str(mmdet_python)).code == 0
    harness.write("m.yaml", SUITE.replace("MODELS", models(things, "htc", "point-rend", "yolact")))
    done = harness(
        "run", "m.yaml", "--no-bootstrap", "--workers", "1", "--limit", "1", "--var", f"root={things}", timeout=900
    )
    assert done.code == 0, done.err
    counted = {r["model"]: r["n_instances"] for r in harness.results("m").to_pylist() if r["metric"] == "AP"}
    assert set(counted) == {"htc", "point-rend", "yolact"} and all(counted.values())


def test_every_config_has_a_name_and_published_weights_their_digits():
    names = [one.name for one in catalogue().values()]
    assert len(set(names)) == len(names) > 700
    published = [one for one in catalogue().values() if one.weights]
    assert len(published) > 500 and all(one.digits for one in published)
    scnet = catalogue()["scnet/scnet_r50_fpn_20e_coco.py"]
    assert scnet.published["COCO"] == {"box AP": 44.5, "mask AP": 40.0}


PLAN = """
segharness: 1
name: p
groups:
  - {name: kinds, reference: mask-rcnn, models: [{model: mmdet/architectures, weights: published, tags: [mm]}]}
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
"""


@pytest.fixture
def planned(harness, tmp_path):
    from tests.streets import street, write_coco

    write_coco(tmp_path / "coco", {"a": street(np.random.default_rng(2), 40, 60)})
    harness.write("p.yaml", PLAN)
    return harness


def test_a_set_is_planned_where_mmdet_is_not_installed_and_refused_when_it_is_run(planned, tmp_path):
    done = planned("collect", "p.yaml", "-v")
    assert done.code == 0, done.err
    assert "p.yaml::scnet::coco-2017::clean  [" in done.out and "8 cells" in done.out
    done = planned("run", "p.yaml")
    assert done.code == 4
    assert done.err.count("mmdet is not installed: install it here") == 1
    assert "models `mask-rcnn`, `cascade`, `htc` and 5 more: mmdet is not installed" in done.err
    assert "segharness config set python.mmdet PATH" in done.err
    planned.write("p.yaml", PLAN.replace("model: mmdet/architectures,", "model: mmdet/architectures, id: all,"))
    done = planned("collect", "p.yaml")
    assert done.code == 4 and "p.yaml:4:" in done.err and "is a set of models; each of them has its own id" in done.err


def test_published_weights_come_from_the_cache_or_the_message_says_where_they_belong(
    planned, pretend, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    run = ("run", "p.yaml", "--model", f"mmdet/scnet_r50_fpn_20e_coco,weights=published,python={pretend('mmdet')}")
    done = planned(*run)
    file = tmp_path / "home/hub/checkpoints/scnet_r50_fpn_20e_coco-a569f645.pth"
    assert done.code == 4 and f"at {file}, or give a file" in done.err
    assert not list(file.parent.iterdir())
    file.write_bytes(b"something else")
    done = planned(*run)
    assert done.code == 4 and "not a569f645...; damaged?" in done.err
    own = planned("run", "p.yaml", "--model", "mmdet/rtmdet_tta,weights=random")
    assert own.code == 4 and "no model `mmdet/rtmdet_tta`" in own.err
