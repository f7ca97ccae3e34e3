"""What enters detectron2's networks, measured by a hook of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import segharness_detectron2
import segharness_torch

from tests import network_probe

QUICK = {"MODEL.RPN.POST_NMS_TOPK_TEST": 20, "MODEL.RESNETS.NORM": "GN", "MODEL.FPN.NORM": "GN"}
FPN = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"


@pytest.fixture(scope="module")
def measured():
    """Return the function that measures models in detectron2's environment."""
    if (python := os.environ.get("SEGHARNESS_TEST_DETECTRON2_PYTHON")) is None:
        pytest.skip("detectron2 must be built from source; set SEGHARNESS_TEST_DETECTRON2_PYTHON")
    path = os.pathsep.join(
        str(Path(module.__file__).parents[1]) for module in (segharness_torch, segharness_detectron2)
    )

    def measure(models, sizes, **more):
        given = {"module": "segharness_detectron2.foreign_model", "models": models, "sizes": sizes, **more}
        command = [python, "-W", "ignore", network_probe.__file__, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return measure


@pytest.mark.slow
def test_images_enter_as_published_or_as_they_are(measured):
    as_published, original = measured([{"config": FPN}], [[427, 640], [1024, 2048], [65, 33]])
    assert [as_published[size]["size"] for size in ("427x640", "1024x2048")] == [[800, 1216], [672, 1344]]
    for size, padded in (("427x640", [448, 640]), ("1024x2048", [1024, 2048]), ("65x33", [96, 64])):
        assert original[size]["size"] == padded
        assert original[size]["correlation"] > 1 - 1e-9  # the pixels themselves, normalised
        assert as_published[size]["size"] == as_published[size]["watched"]


@pytest.mark.slow
def test_what_is_said_of_each_image_is_what_entered(measured):
    as_published, original = measured([{"config": FPN, "overrides": QUICK}], [[60, 90]], whole=True)
    assert as_published["60x90"]["said"] == [800, 1216, "bilinear-antialiased", [0, 0, 0, 16]]
    assert as_published["60x90"]["size"] == [800, 1216]
    assert original["60x90"]["said"] == [64, 96, "none", [0, 4, 0, 6]] and original["60x90"]["size"] == [64, 96]


@pytest.mark.slow
def test_networks_that_pad_to_a_square_are_given_the_whole_image(measured):
    if (checkout := os.environ.get("SEGHARNESS_TEST_DETECTRON2_SOURCE")) is None:
        pytest.skip("its projects are in a checkout of detectron2; set SEGHARNESS_TEST_DETECTRON2_SOURCE")
    config = "projects/ViTDet/configs/COCO/mask_rcnn_vitdet_b_100ep.py"
    as_published, original = measured([{"config": config, "source": checkout}], [[300, 1200]])
    assert as_published["300x1200"]["size"] == [1024, 1024]
    assert original["300x1200"]["size"] == [300, 1200] and original["300x1200"]["correlation"] > 1 - 1e-9
