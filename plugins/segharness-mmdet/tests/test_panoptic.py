"""Panoptic networks of mmdet: their own segments, to the pixel, under the names of COCO's things and stuff."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import segharness_mmdet
import segharness_torch
from PIL import Image
from pycocotools import mask as rle
from segharness.model.foreign import ForeignModel

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CONFIGS = {
    "panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py": {
        "model.test_cfg.rcnn.score_thr": 0.0,
        "model.test_cfg.rcnn.max_per_img": 20,
        "model.test_cfg.rpn.max_per_img": 50,
        "model.test_cfg.panoptic.stuff_area_limit": 10,
    },
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py": {
        "model.test_cfg.iou_thr": 0.0,
        "test_dataloader.dataset.pipeline.1.scale": (320, 256),
    },
}
"""Untrained, they would give no segment."""

MORE = {
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py": "model = dict(test_cfg=dict(object_mask_thr=0.0))\n"
}

REFERENCE = """
import json, sys
import numpy as np, torch
from PIL import Image
from mmdet.apis import inference_detector, init_detector
from mmcv.transforms import Compose
from mmdet.utils import get_test_pipeline_cfg

given = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(given["seed"])
overrides = {key: tuple(value) if isinstance(value, list) else value for key, value in given["overrides"].items()}
model = init_detector(given["config"], None, "coco", "cpu", overrides)
pipeline = [step for step in get_test_pipeline_cfg(model.cfg.copy()) if "LoadPanoptic" not in step["type"]]
pipeline[0].type = "mmdet.LoadImageFromNDArray"
image = np.asarray(Image.open(given["image"]).convert("RGB"))
sample = inference_detector(model, np.ascontiguousarray(image[..., ::-1]), Compose(pipeline))
np.save(given["out"], np.asarray(sample.pred_panoptic_seg.sem_seg)[0])
"""


@pytest.mark.parametrize("config", CONFIGS)
def test_segments_are_its_own_to_the_pixel(config, mmdet_python, shared, tmp_path):
    image, out = tmp_path / "image.png", tmp_path / "ids.npy"
    with Image.open(sorted((shared / "data/coco-tiny/val2017").glob("*.jpg"))[0]) as photograph:
        photograph.convert("RGB").resize((160, 120)).save(image)
    settings = subprocess.run(
        [mmdet_python, "-c", "import mmdet, os; print(os.path.dirname(mmdet.__file__))"], capture_output=True, text=True
    )
    base = f"{settings.stdout.strip()}/.mim/configs/{config}"
    file = tmp_path / "config.py"
    file.write_text(f"_base_ = {base!r}\n" + MORE.get(config, ""))
    config, overrides = str(file), CONFIGS[config]
    given = {"config": config, "overrides": overrides, "seed": 4, "image": str(image), "out": str(out)}
    command = [mmdet_python, "-W", "ignore", "-c", REFERENCE, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    ids = np.load(out)
    file = Path(segharness_mmdet.__file__).parent / "foreign_model.py"
    packages = {"segharness_torch": str(Path(segharness_torch.__file__).parent)}
    options = {"config": config, "output": "panoptic", "seed": 4, "overrides": overrides}
    model = ForeignModel(str(mmdet_python), (file, "build"), options, {"weights": "random", "device": "cpu"}, packages)
    try:
        [found] = model.predict([np.asarray(Image.open(image))])
        numbers = [number for number in np.unique(ids).tolist() if number % 1000 < 133]
        assert len(found.masks) == len(numbers) >= 1
        for mask, label, number in zip(found.masks, found.labels, numbers, strict=True):
            assert np.array_equal(rle.decode(mask).astype(bool), ids == number) and label == number % 1000
        names = (model.categories[0], model.categories[80], model.categories[132], len(model.categories))
        assert names == ("person", "banner", "rug-merged", 133)
    finally:
        model.close()


def test_a_network_without_segments_is_refused(mmdet_python):
    file = Path(segharness_mmdet.__file__).parent / "foreign_model.py"
    packages = {"segharness_torch": str(Path(segharness_torch.__file__).parent)}
    options = {"config": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", "output": "panoptic"}
    with pytest.raises(Exception, match="makes a MaskRCNN, which gives no panoptic segments"):
        ForeignModel(str(mmdet_python), (file, "build"), options, {"weights": "random", "device": "cpu"}, packages)
