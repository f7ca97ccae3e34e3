"""What enters mmdet's networks, measured by a hook of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import segharness_mmdet
import segharness_torch

from tests import network_probe

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CONFIGS = (
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "yolact/yolact_r50_1xb8-55e_coco.py",
    "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py",
)
AS_PUBLISHED = ([672, 1344], [550, 550], [640, 640])
ORIGINAL = ([1024, 2048], [1024, 2048], [1024, 2048])
OF_75_BY_130 = ([96, 160], [75, 130], [96, 160])
"""Padded to what each network's strides need; YOLACT is not."""


@pytest.fixture(scope="module")
def measured(mmdet_python):
    """Return the function that measures models in mmdet's environment."""
    path = os.pathsep.join(str(Path(module.__file__).parents[1]) for module in (segharness_torch, segharness_mmdet))

    def measure(models, sizes, **more):
        given = {"module": "segharness_mmdet.foreign_model", "models": models, "sizes": sizes, **more}
        command = [str(mmdet_python), "-W", "ignore", network_probe.__file__, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return measure


def test_images_enter_as_published_or_as_they_are(measured):
    answers = measured([{"config": config} for config in CONFIGS], [[1024, 2048], [75, 130]])
    assert [a.get("error") for a in answers] == [None] * 6
    assert tuple(a["1024x2048"]["size"] for a in answers[::2]) == AS_PUBLISHED
    assert tuple(a["1024x2048"]["size"] for a in answers[1::2]) == ORIGINAL
    assert tuple(a["75x130"]["size"] for a in answers[1::2]) == OF_75_BY_130
    assert all(a[size]["correlation"] > 1 - 1e-9 for a in answers[1::2] for size in ("1024x2048", "75x130"))
    assert all(a["75x130"]["watched"] == a["75x130"]["size"] for a in answers)


def test_what_is_said_of_each_image_is_what_entered(measured):
    yolact = {"config": CONFIGS[1], "overrides": {"model.test_cfg.score_thr": 0.0, "model.test_cfg.max_per_img": 5}}
    as_published, original = measured([yolact], [[60, 90]], whole=True)
    assert as_published["60x90"]["said"] == [550, 550, "bilinear", [0, 0, 0, 0]]
    assert original["60x90"]["said"] == [60, 90, "none", [0, 0, 0, 0]]
    rtmdet = {"config": CONFIGS[2], "overrides": {"model.test_cfg.score_thr": 0.0, "model.test_cfg.max_per_img": 5}}
    as_published, original = measured([rtmdet], [[60, 90]], whole=True)
    assert as_published["60x90"]["said"] == [640, 640, "bilinear", [0, 213, 0, 0]]
    assert original["60x90"]["said"] == [64, 96, "none", [0, 4, 0, 6]]
