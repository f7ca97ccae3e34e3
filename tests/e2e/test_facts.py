"""Facts of models reach the results, and `segharness report --by` averages over models that share one."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from segharness.store import manifest_of, read_results

from tests.streets import street, write_coco

MODEL = """
import numpy as np
from segharness import Instances


class Model:
    categories = ["car", "person", "bus", "truck", "bicycle", "rider", "train", "motorcycle"]
    facts = {"parameters": 12, "weights of mine": [1, 2], "seconds": float("nan")}

    def __init__(self, margin):
        self.margin = margin

    def predict(self, images, prompts=None):
        return [self.one(image) for image in images]

    def one(self, image):
        bright = image[..., 1] > self.margin
        masks = np.stack([bright, ~bright])
        return Instances(np.array([[0, 0, 9, 9.0], [0, 0, 5, 5]]), np.array([0.9, 0.8]), np.array([0, 1]), masks)


def build(margin=100):
    return Model(margin)
"""
SUITE = """segharness: 1
name: s
models:
  - {id: a, model: "./m.py:build", facts: {normalisation: GN, epochs: 36}}
  - {id: b, model: "./m.py:build", options: {margin: 120}, facts: {normalisation: GN, epochs: 12}}
  - {id: c, model: "./m.py:build", options: {margin: 140}, facts: {normalisation: BN}}
reference: a
datasets: [{id: streets, dataset: coco/2017, options: {root: coco}}]
conditions: [clean, fog-3, contrast-3]
scoring: {tasks: [segm]}
"""


@pytest.fixture
def run(harness, tmp_path):
    rng = np.random.default_rng(5)
    write_coco(tmp_path / "coco", {name: street(rng, 64, 96) for name in "abcd"})
    harness.write("m.py", MODEL)
    harness.write("s.yaml", SUITE)
    done = harness("run", "s.yaml", "--no-bootstrap")
    assert done.code == 0, done.err
    return harness


def test_what_suites_plugins_and_networks_say_is_in_the_results(run, tmp_path):
    manifest = manifest_of(read_results(tmp_path / "runs/s"))
    assert manifest["facts"] == {
        "a": {"parameters": 12, "normalisation": "GN", "epochs": 36},
        "b": {"parameters": 12, "normalisation": "GN", "epochs": 12},
        "c": {"parameters": 12, "normalisation": "BN"},
    }


def test_means_are_over_the_models_that_share_it(run, tmp_path):
    rows = read_results(tmp_path / "runs/s").to_pylist()
    found = {
        (r["model"], r["condition"], r["metric"]): r["value"]
        for r in rows
        if r["category"] is None and r["metric"] in ("AP", "AP_avg", "CD") and r["split"] == "all"
    }
    lines = list(csv.reader(run("report", "runs/s", "--by", "normalisation", "--format", "csv").out.splitlines()))
    heading = next(line for line in lines if line[1] == "normalisation")
    gn, bn = (next(line for line in lines if line[1] == name) for name in ("GN", "BN"))
    clean = heading.index("clean")
    assert float(gn[clean]) == pytest.approx(50 * (found["a", "clean", "AP"] + found["b", "clean", "AP"]), abs=1e-4)
    assert float(bn[clean]) == pytest.approx(100 * found["c", "clean", "AP"], abs=1e-4)
    out = run("report", "runs/s", "--by", "normalisation").out
    assert "means over the models that share it: GN: a, b; BN: c" in out
    assert "not known: c" in run("report", "runs/s", "--by", "epochs").out
    for name in ("markdown", "latex"):
        assert "by normalisation" in run("report", "runs/s", "--by", "normalisation", "--format", name).out


def test_a_fact_that_no_model_has_and_one_that_is_none(run):
    done = run("report", "runs/s", "--by", "normalization")
    assert done.code == 4 and "did you mean `normalisation`?" in done.err and "parameters" in done.err
    run.write("s.yaml", SUITE.replace("epochs: 12", "epochs: [12]"))
    done = run("run", "s.yaml")
    assert done.code == 4 and "s.yaml:5" in done.err and "the fact `epochs` must be" in done.err


def test_facts_change_no_prediction(run):
    run.write("s.yaml", SUITE.replace("epochs: 12", "epochs: 13"))
    done = run("run", "s.yaml", "--no-bootstrap")
    assert done.code == 0 and "stale" not in done.err + done.out
    assert json.loads((run.folder / "runs/s/manifest.json").read_text())["suite"]["models"][1]["facts"]["epochs"] == 13


def test_plugins_of_networks_say_how_many_parameters_they_have(harness):
    torch = pytest.importorskip("torch")
    from segharness_torchvision.model import make

    model = make("maskrcnn_resnet50_fpn", "random")
    assert model.facts == {"parameters": sum(p.numel() for p in model._network.parameters())}
    assert model.facts["parameters"] > 44_000_000 and torch.is_tensor(next(model._network.parameters()))


def test_secrets_and_folders_of_this_machine_stay_here(run, tmp_path):
    text = SUITE.replace("epochs: 36", 'note: "${SECRET}", path: /home/ada/x.pth')
    run.write("s.yaml", text)
    run.write("m.py", MODEL.replace('"parameters": 12', '"parameters": 12, "checkpoint": "/home/ada/secret/m.pth"'))
    done = run("run", "s.yaml", "--no-bootstrap", "--var", "SECRET=hunter2secret", "--out", "shared")
    assert done.code == 0, done.err
    facts = manifest_of(read_results(tmp_path / "shared"))["facts"]["a"]
    assert facts["note"] == "${SECRET}" and facts["path"] == "x.pth" and "ada" not in str(facts)
    written = (tmp_path / "shared/manifest.json").read_text()
    assert "hunter2secret" not in written and "/home/ada" not in written
    for file in (tmp_path / "shared").rglob("*.arrow"):
        assert b"hunter2secret" not in file.read_bytes() and b"/home/ada" not in file.read_bytes()


def test_facts_of_training_are_those_of_published_weights(harness):
    harness.write(
        "t.yaml",
        """segharness: 1
models:
  - {id: own, model: torchvision/maskrcnn_resnet50_fpn, weights: random}
  - {id: published, model: torchvision/maskrcnn_resnet50_fpn, weights: COCO_V1}
datasets: [{dataset: coco/2017, options: {root: .}}]
conditions: [clean]
""",
    )
    import yaml

    models = yaml.safe_load(harness("collect", "t.yaml", "--resolved").out)["models"]
    own, published = (model["facts"] for model in models)
    assert published["trained_on"] == "COCO train2017" and published["backbone"] == own["backbone"]
    assert not {"trained_on", "initialisation", "file", "recipe"} & own.keys()
