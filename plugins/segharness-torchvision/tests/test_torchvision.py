"""torchvision's detectors: to the bit what the framework gives, and AP as its own reference evaluation has it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness import UsageError
from segharness_torch.nan_checks import NotANumberError
from segharness_torch.temporary_seed import torch_seeded
from segharness_torch.threads import torch_threads
from segharness_torchvision.catalogue import CATALOGUE
from segharness_torchvision.catalogue import COCO as NAMES
from segharness_torchvision.fetch_weights import fetch
from segharness_torchvision.model import custom, make

from tests.streets import street, write_coco

SMALL = {"min_size": 96, "max_size": 160}
LOW = {
    "maskrcnn": "box_score_thresh",
    "fasterrcnn": "box_score_thresh",
    "retinanet": "score_thresh",
    "fcos": "score_thresh",
}


def framework(name, seed, **settings):
    with torch_seeded(seed):
        settings = {**settings, LOW[name.split("_")[0]]: 0.0}
        return torchvision.models.get_model(name, weights=None, weights_backbone=None, **settings).eval()


def raw(network, image):
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255
    with torch.inference_mode(), torch_threads(1):  # sums of several threads have another last bit
        return network([tensor])[0]


@pytest.fixture
def photographs(shared):
    names = sorted((shared / "data/coco-tiny/val2017").glob("*.jpg"))
    found = {}
    for path in names:
        image = np.asarray(Image.open(path).convert("RGB"))
        found.setdefault(image.shape, image)
    return list(found.values())


def test_the_catalogue_is_what_torchvision_says():
    for one in CATALOGUE:
        known = torchvision.models.get_model_weights(one.name)["COCO_V1"]
        assert known.url.endswith(f"/{one.file}")
        metrics = known.meta["_metrics"]["COCO-val2017"]
        assert (one.box, one.mask) == (metrics["box_map"], metrics.get("mask_map"))
        assert list(NAMES) == known.meta["categories"]


@pytest.mark.shared
@pytest.mark.parametrize("name", [one.name for one in CATALOGUE])
def test_instances_are_the_frameworks_own_to_the_bit(name, photographs):
    network = framework(name, 3, **SMALL)
    model = make(name, "random", seed=3, score=0.0, **SMALL)
    count = 0
    for image in photographs[:2]:
        expected, [found] = raw(network, image), model.predict([image])
        count += len(expected["scores"])
        assert np.array_equal(found.boxes, expected["boxes"].numpy())
        assert np.array_equal(found.scores, expected["scores"].numpy())
        assert np.array_equal(found.labels, expected["labels"].numpy())
        if "masks" in expected:
            masks = (expected["masks"][:, 0] > 0.5).numpy()
            assert found.masks == [rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]
        else:
            assert found.masks is None
    assert count > 20


@pytest.mark.shared
@pytest.mark.slow
def test_at_its_own_size_too(photographs):
    image = photographs[0]
    expected = raw(framework("maskrcnn_resnet50_fpn", 1), image)
    [found] = make("maskrcnn_resnet50_fpn", "random", seed=1, score=0.0).predict([image])
    assert len(found.scores) == 100 and np.array_equal(found.boxes, expected["boxes"].numpy())
    masks = (expected["masks"][:, 0] > 0.5).numpy()
    assert found.masks == [rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


SUITE = """
segharness: 1
name: s
models:
  - id: m
    model: torchvision/maskrcnn_resnet50_fpn
    weights: random
    options: {seed: 3, score: 0.0, min_size: 96, max_size: 160}
datasets: [{dataset: coco/2017, id: d, limit: 8}]
conditions: [clean]
scoring:
  metrics:
    - coco
    - {id: loose, metric: coco, options: {iou_thresholds: [0.05, 0.1], areas: {}, max_dets: [100], class_agnostic: true}}
"""


@pytest.mark.shared
@pytest.mark.slow
def test_ap_is_that_of_torchvisions_reference_evaluation(harness, shared):
    """Its references/detection evaluate boxes as x y w h and masks over 0.5 with pycocotools; so does this."""
    harness.write("s.yaml", SUITE)
    root = shared / "data/coco-tiny"
    done = harness("run", "s.yaml", "--no-bootstrap", "--var", f"coco={root}")
    assert done.code == 0, done.err
    assert "note: model `m` has RANDOM weights: its numbers mean nothing" in done.err
    truth = COCO(str(root / "annotations/instances_val2017.json"))
    ids = sorted(truth.getImgIds())[:8]
    network = framework("maskrcnn_resnet50_fpn", 3, **SMALL)
    results = {"bbox": [], "segm": []}
    for image in truth.loadImgs(ids):
        found = raw(network, np.asarray(Image.open(root / "val2017" / image["file_name"]).convert("RGB")))
        for box, score, label, mask in zip(
            *(found[k].numpy() for k in ("boxes", "scores", "labels", "masks")), strict=True
        ):
            row = {"image_id": image["id"], "category_id": int(label), "score": float(score)}
            x1, y1, x2, y2 = box.tolist()
            results["bbox"].append({**row, "bbox": [float(v) for v in (x1, y1, x2 - x1, y2 - y1)]})
            results["segm"].append(
                {**row, "segmentation": rle.encode(np.asfortranarray((mask[0] > 0.5).astype(np.uint8)))}
            )
    rows = harness.results("s").to_pylist()
    for task, found in results.items():
        ours = {(r["evaluation"], r["metric"]): r["value"] for r in rows if r["task"] == task and r["category"] is None}
        strict, loose = _reference(truth, found, task, ids, False), _reference(truth, found, task, ids, True)
        assert ours["coco", "AP"] == strict
        assert ours["loose", "AP"] == loose > 0  # untrained boxes meet something here and there


def _reference(truth, found, task, ids, loose):
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes([dict(row) for row in found]), task)
        evaluation.params.imgIds = ids
        if loose:
            evaluation.params.iouThrs, evaluation.params.useCats = np.array([0.05, 0.1]), 0
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return precision[precision > -1].mean()


NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.score = torch.nn.Parameter(torch.tensor(0.25))

    def forward(self, images):
        found = []
        for image in images:
            _, height, width = image.shape
            masks = torch.zeros(1, 1, height, width)
            masks[..., : height // 2, :] = 0.75
            found.append({"boxes": torch.tensor([[0.0, 0.0, width, height // 2]]), "scores": self.score[None],
                          "labels": torch.tensor([2]), "masks": masks})
        return found


def build():
    return Net()
"""

CUSTOM = """
segharness: 1
name: c
models: [{id: own, model: torchvision/custom, weights: own.pth, options: {builder: ./net.py:build, categories: names.txt}}]
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
"""


@pytest.fixture
def own(harness, tmp_path):
    rng = np.random.default_rng(2)
    write_coco(tmp_path / "coco", {name: street(rng, 40, 60) for name in "abc"})
    harness.write("net.py", NET)
    harness.write("names.txt", "person\ncar\n")
    harness.write("c.yaml", CUSTOM)
    torch.save({"score": torch.tensor(0.5)}, tmp_path / "own.pth")
    return harness


def test_a_network_of_ones_own_runs_and_its_source_is_part_of_what_it_made(own):
    done = own("run", "c.yaml", "--no-bootstrap")
    assert done.code == 0, done.err
    rows = [r for r in own.results("c").to_pylist() if r["metric"] == "AR100" and r["category"] is None]
    assert {r["task"] for r in rows} == {"segm", "bbox"}
    own.write("net.py", NET.replace("0.75", "0.85"))
    stale = own("run", "c.yaml")
    assert stale.code == 4 and "model.options.builder.source" in stale.err
    own.write("net.py", NET.replace("return Net()", "return 3"))
    wrong = own("run", "c.yaml", "--fresh")
    assert wrong.code == 1 and "`build` returned a int, not a torch.nn.Module" in wrong.err


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("./net.py:build", "./net.py", "is not ./file.py:function"),
        ("./net.py:build", "./net.py:biuld", "defines no `biuld` (did you mean `build`?)"),
        ("./net.py:build", "./none.py:build", "no file"),
        ("own.pth", "none.pth", "no file"),
        ("names.txt", "none.txt", "no file or folder"),
        ("names.txt", "own.pth", "option `categories` of model `torchvision/custom` is no list of names"),
        ("names.txt", "names.txt, compile: maybe", "is 'maybe', not true or false"),
    ],
)
def test_mistakes_are_found_before_the_run(own, before, after, message):
    own.write("c.yaml", CUSTOM.replace(before, after))
    done = own("run", "c.yaml")
    assert done.code == 4 and "c.yaml:3:" in done.err and message in done.err


class Answer(torch.nn.Module):
    """Says what it is told to."""

    def __init__(self, change):
        super().__init__()
        self.change, self.score = change, torch.nn.Parameter(torch.tensor(0.25))

    def forward(self, images):
        found = {"boxes": torch.tensor([[0.0, 0.0, 4, 4]]), "scores": self.score[None], "labels": torch.tensor([1]),
                 "masks": torch.full((1, 1, 8, 8), 0.75)}  # fmt: skip
        return self.change([found for _ in images])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: [{**one, "masks": one["masks"] * float("nan")} for one in found], "masks reach from nan to nan"),
        (lambda found: [{**one, "masks": one["masks"] * 4 - 6} for one in found], "masks reach from -3 to -3; they must be"),
        (lambda found: [{**one, "masks": one["masks"][:, 0]} for one in found], r"shape \(1, 8, 8\), not \(N, 1"),
        (lambda found: found[0], "returned a dict with boxes, scores, labels, masks, not a list of mappings"),
        (lambda found: [{"boxes": found[0]["boxes"]}], "returned a list of dict with boxes, not a list of mappings"),
        (lambda found: None, "returned a NoneType, not a list of mappings"),
    ],
)  # fmt: skip
def test_answers_that_are_none_are_errors_of_the_image(change, message):
    image = np.zeros((8, 8, 3), np.uint8)
    assert custom(lambda: Answer(lambda found: found)).predict([image])[0].scores.tolist() == [0.25]
    with pytest.raises(ValueError, match=message):
        custom(lambda: Answer(change)).predict([image])


def test_weights_that_are_not_numbers_find_nothing_and_say_so():
    network = framework("fasterrcnn_mobilenet_v3_large_320_fpn", 0)
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.bias.fill_(float("nan"))
    assert len(raw(network, np.zeros((64, 64, 3), np.uint8))["scores"]) == 0  # which looks like an answer
    model = custom(lambda: network)
    with pytest.raises(NotANumberError, match=r"network's `roi_heads\.box_predictor\.cls_score` gives is not a number"):
        model.predict([np.zeros((64, 64, 3), np.uint8)])


def test_a_builder_is_called_without_arguments_and_may_be_anything_that_can_be_called():
    def build(change):
        return Answer(change)

    with pytest.raises(UsageError, match="`build` is called without arguments, but needs some: .*'change'"):
        custom(build)
    model = custom(functools.partial(build, tuple))
    bicubic = custom(lambda: Answer(lambda found: [{**one, "masks": one["masks"] + 0.3} for one in found]))
    for one in (model, bicubic):
        assert one.predict([np.zeros((8, 8, 3), np.uint8)])[0].scores.tolist() == [0.25]


def test_weights_have_a_name_or_are_a_file(own):
    text = CUSTOM.replace("{id: own, model: torchvision/custom, weights: own.pth, options: "
                          "{builder: ./net.py:build, categories: names.txt}}", "MODEL")  # fmt: skip
    for model, message in (
        ("torchvision/fcos_resnet50_fpn", "needs `weights:`, a file, or COCO_V1, or random"),
        (
            "{model: torchvision/fcos_resnet50_fpn, weights: COCO_V2}",
            "COCO_V2, and not COCO_V1 or random (did you mean `COCO_V1`?)",
        ),
    ):
        own.write("c.yaml", text.replace("MODEL", model))
        done = own("collect", "c.yaml")
        assert done.code == 4 and message in done.err, done.err


def test_a_download_that_fails_says_which_file_to_put_where_before_the_first_cell(own, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))

    def offline(*arguments, **more):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    done = own("run", "c.yaml", "--model", "torchvision/fcos_resnet50_fpn,weights=COCO_V1")
    assert done.code == 4
    assert f"at {tmp_path}/home/hub/checkpoints/fcos_resnet50_fpn_coco-99b0c9b7.pth" in done.err
    other = own("run", "c.yaml", "--model", "torchvision/fcos_resnet50_fpn,weights=COCO_V1", "-k", "nothing")
    assert other.code == 5  # what is not selected is not fetched


def test_published_weights_are_taken_from_the_cache_and_compared(own, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home/hub/checkpoints"
    folder.mkdir(parents=True)
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    state = framework(name, 5).state_dict()
    torch.save(state, folder / f"{name}-907ea3f9.pth")
    assert fetch("COCO_V1", name) == folder / f"{name}-907ea3f9.pth"
    loaded = make(name, str(fetch("COCO_V1", name)))._network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    done = own("run", "c.yaml", "--model", f"torchvision/{name},weights=COCO_V1")
    assert done.code == 4 and "not 907ea3f9...; damaged? remove it" in done.err


def test_execution_is_checked_and_seeds_leave_torch_alone():
    state = torch.get_rng_state()
    image = np.zeros((40, 60, 3), np.uint8)
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    plain, last = (make(name, "random", channels_last=on, **SMALL) for on in (False, True))
    [one], [other] = plain.predict([image]), last.predict([image])
    assert np.allclose(one.scores, other.scores, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(UsageError, match="`precision` is 'half', not float32"):
        make(name, "random", precision="half")
    with pytest.raises(UsageError, match="`compile` is 1, not true or false"):
        make(name, "random", compile=1)
    [half] = make(name, "random", precision="bfloat16", **SMALL).predict([image])
    assert half.scores.dtype == np.float32


def test_weights_of_other_categories_have_their_own_names(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    model = make("fasterrcnn_mobilenet_v3_large_320_fpn", "random", categories=str(tmp_path / "names.txt"))
    assert list(model.categories) == ["__background__", "cat", "dog"]


def test_json_of_a_spec_shows_what_is_published(harness):
    found = json.loads(harness("models", "torchvision/maskrcnn_resnet50_fpn", "--json").out)
    assert found["metadata"]["published on COCO val2017"] == {"box AP": 37.9, "mask AP": 34.6}
    assert found["weights"]["names"] == {"COCO_V1": "bf2d0c1e", "random": ""}


def test_epsilons_are_those_that_torchvision_gives_its_weights(monkeypatch, tmp_path):
    for one in CATALOGUE:
        source = inspect.getsource(inspect.unwrap(getattr(torchvision.models.detection, one.name)))
        assert one.zero_eps == ("overwrite_eps(model, 0.0)" in source), one.name
    file = tmp_path / "weights.pth"
    torch.save(framework("maskrcnn_resnet50_fpn", 1).state_dict(), file)

    def epsilons():
        network = make("maskrcnn_resnet50_fpn", str(file))._network
        return {part.eps for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)}

    assert epsilons() == {1e-5}  # weights of one's own
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    renamed = [replace(one, file=f"m-{digits}.pth") for one in CATALOGUE]
    monkeypatch.setattr("segharness_torchvision.model.CATALOGUE", renamed)
    assert epsilons() == {0.0}
