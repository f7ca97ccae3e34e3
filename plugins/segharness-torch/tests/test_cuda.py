"""What runs on a GPU: encoding, networks in every precision, torchvision's detectors, and a run of the command line."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from pycocotools import mask as rle
from segharness_torch.encoding import encode
from segharness_torch.execution import Execution
from segharness_torch.temporary_seed import torch_seeded
from torch import nn

from tests.streets import street, write_coco

DEVICE = os.environ.get("SEGHARNESS_TEST_DEVICE", "cuda")
"""``cpu`` runs these tests where there is no GPU; benchmarks/gpu.py does so to test itself."""
pytestmark = pytest.mark.skipif(
    DEVICE == "cuda" and not torch.cuda.is_available(), reason="torch sees no CUDA device here"
)


def expected(masks):
    return [rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


@pytest.mark.parametrize("shape", [(0, 5, 7), (1, 1, 1), (9, 33, 65), (40, 240, 320)])
def test_masks_are_encoded_as_pycocotools_does_to_the_bit(shape):
    rng = np.random.default_rng(4)
    masks = rng.random(shape) < rng.random((shape[0], 1, 1))
    masks[: len(masks) // 3] = False
    masks[len(masks) // 3 : len(masks) // 2] = True
    assert encode(torch.from_numpy(masks).to(DEVICE)) == expected(masks)


def test_smooth_masks_in_several_parts(monkeypatch):
    monkeypatch.setattr("segharness_torch.encoding._PIXELS", 200_000)
    y, x = np.mgrid[:240, :320]
    masks = np.stack([(x - 20 * i) ** 2 + (y - 100) ** 2 < 900 + 400 * i for i in range(15)])
    assert encode(torch.from_numpy(masks).to(DEVICE)) == expected(masks)


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("precision", "dtype", "tolerance"),
    [("float32", torch.float32, 1e-3), ("float16", torch.float16, 5e-3), ("bfloat16", torch.bfloat16, 3e-2)],
)
def test_a_network_runs_in_every_precision(precision, dtype, tolerance, channels_last):
    with torch_seeded(1):
        network = Small()
    image = np.random.default_rng(2).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    plain = Execution()
    with plain.predicting():
        [reference] = plain.prepared(network)(torch.stack(plain.tensors([image])))
    execution = Execution(DEVICE, precision, channels_last=channels_last)
    prepared = execution.prepared(network)
    with execution.predicting():
        [tensor] = execution.tensors([image])
        [found] = prepared(tensor[None])
    assert tensor.device.type == found.device.type == DEVICE
    assert tensor.dtype == torch.float32 and found.dtype == dtype and not found.requires_grad
    assert torch.allclose(found.float().cpu(), reference, atol=tolerance)


@pytest.fixture
def deterministic(monkeypatch):
    """Have cuDNN choose the same sums every time."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)


@pytest.mark.slow
def test_masks_of_torchvisions_network_are_those_of_its_raw_output(deterministic):
    """One output, made on the device: the model's encoding of it, and that of its pixels on the host."""
    torchvision = pytest.importorskip("torchvision")
    model = pytest.importorskip("segharness_torchvision.model")
    pixels = street(np.random.default_rng(3), 120, 160).pixels
    settings = {"min_size": 96, "max_size": 160}
    with torch_seeded(3):
        network = torchvision.models.get_model(
            "maskrcnn_resnet50_fpn", weights=None, weights_backbone=None, box_score_thresh=0.0, **settings
        )
    execution = Execution(DEVICE)
    with execution.predicting():
        [raw] = execution.prepared(network)(execution.tensors([pixels]))
    assert all(value.device.type == DEVICE for value in raw.values())
    [found] = model.make("maskrcnn_resnet50_fpn", "random", seed=3, score=0.0, device=DEVICE, **settings).predict(
        [pixels]
    )
    assert len(found.scores) == len(raw["scores"]) > 20
    assert found.masks == expected((raw["masks"][:, 0] > 0.5).cpu().numpy())
    assert np.array_equal(found.boxes, raw["boxes"].cpu().numpy())
    assert np.array_equal(found.scores, raw["scores"].cpu().numpy())
    assert np.array_equal(found.labels, raw["labels"].cpu().numpy())


SUITE = """
segharness: 1
name: s
models:
  - id: m
    model: torchvision/maskrcnn_resnet50_fpn
    weights: random
    options: {seed: 3, score: 0.0, min_size: 96, max_size: 160, precision: PRECISION}
datasets: [{dataset: coco/2017, id: d, options: {root: coco}}]
conditions: [clean, fog-3]
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_run_on_the_device(harness, tmp_path, precision):
    pytest.importorskip("segharness_torchvision.model")
    rng = np.random.default_rng(2)
    write_coco(tmp_path / "coco", {name: street(rng, 96, 128) for name in "abcd"})
    harness.write("s.yaml", SUITE.replace("PRECISION", precision))
    device = f"{DEVICE}:0"
    done = harness("run", "s.yaml", "--no-bootstrap", "--devices", device)
    assert done.code == 0, done.err
    assert "2 of 2 cells done" in done.err
    found = {
        (row["condition"], row["task"])
        for row in harness.results("s").to_pylist()
        if row["metric"] == "AP" and row["category"] is None and row["value"] is not None
    }
    assert {(condition, task) for condition in ("clean", "fog-3") for task in ("segm", "bbox")} <= found
