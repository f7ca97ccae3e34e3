"""Panoptic FPN of detectron2: its own segments, to the pixel, under the names of COCO's things and stuff."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import segharness_detectron2
import segharness_torch
from PIL import Image
from pycocotools import mask as rle
from segharness.model.foreign import ForeignModel
from segharness_coco.names import aliases

CONFIG = "COCO-PanopticSegmentation/panoptic_fpn_R_50_3x.yaml"
QUICK = {
    "INPUT.MIN_SIZE_TEST": 200,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0,
    "MODEL.RESNETS.NORM": "GN",
    "MODEL.FPN.NORM": "GN",
    "MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH": 0.0,
    "MODEL.PANOPTIC_FPN.COMBINE.STUFF_AREA_LIMIT": 10,
}
"""Untrained, it would give no segment."""

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
ids, infos = DefaultPredictor(cfg)(cv2.imread(given["image"]))["panoptic_seg"]
np.save(given["out"], ids.numpy())
print(json.dumps(infos))
"""


@pytest.fixture(scope="module")
def python():
    if (given := os.environ.get("SEGHARNESS_TEST_DETECTRON2_PYTHON")) is None:
        pytest.skip("detectron2 must be built from source; set SEGHARNESS_TEST_DETECTRON2_PYTHON")
    return given


def there(python, config, **options):
    file = Path(segharness_detectron2.__file__).parent / "foreign_model.py"
    packages = {"segharness_torch": str(Path(segharness_torch.__file__).parent)}
    given = {"config": config, "output": "panoptic", **options}
    return ForeignModel(python, (file, "build"), given, {"weights": "random", "device": "cpu"}, packages)


@pytest.mark.shared
@pytest.mark.slow
def test_segments_are_its_own_to_the_pixel(python, shared, tmp_path):
    image, out = tmp_path / "image.png", tmp_path / "ids.npy"
    with Image.open(sorted((shared / "data/coco-tiny/val2017").glob("*.jpg"))[0]) as photograph:
        photograph.convert("RGB").save(image)
    given = {"config": CONFIG, "overrides": QUICK, "seed": 4, "image": str(image), "out": str(out)}
    command = [python, "-W", "ignore", "-c", REFERENCE, json.dumps(given)]
    infos = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    ids = np.load(out)
    model = there(python, CONFIG, seed=4, overrides=QUICK)
    try:
        [found] = model.predict([np.asarray(Image.open(image))])
        masks = np.stack([rle.decode(mask).astype(bool) for mask in found.masks])
        segments = sorted(infos, key=lambda info: info["id"])
        assert len(found.masks) == len(segments) > 3 and (masks.sum(axis=0) <= 1).all()
        for mask, label, info in zip(masks, found.labels, segments, strict=True):
            assert np.array_equal(mask, ids == info["id"])
            name = model.categories[label]
            if info["isthing"]:
                assert label == info["category_id"] and label < 80
            else:
                assert label == 80 + info["category_id"] - 1
            assert name
        assert any(not info["isthing"] for info in segments) and any(info["isthing"] for info in segments)
        assert (model.categories[0], model.categories[80], len(model.categories)) == ("person", "banner", 133)
        stuff = ("wall-other-merged", "tree-merged", "window-blind", "mirror-stuff")
        assert all(name in model.categories or set(aliases(name)) & set(model.categories) for name in stuff)
    finally:
        model.close()


@pytest.mark.slow
def test_a_network_without_segments_is_refused(python):
    with pytest.raises(Exception, match="makes a GeneralizedRCNN, which gives no panoptic segments"):
        there(python, "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml")
