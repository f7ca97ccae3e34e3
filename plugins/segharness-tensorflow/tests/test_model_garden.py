"""Mask R-CNN of the official package, exported by its own exporter: to the bit what the exported module gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import segharness_tensorflow
from PIL import Image
from segharness.model.foreign import ForeignModel

EXPORT = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import cv2, numpy as np, tensorflow as tf
try:
    from official.core import exp_factory
    from official.vision import registry_imports
    from official.vision.ops import box_ops, mask_ops
    from official.vision.serving import detection, export_saved_model_lib
except ImportError:
    print("absent")
    sys.exit()
experiment, folder, *images = sys.argv[1:]
cv2.ipp.setUseIPP(False)
tf.random.set_seed(3)
tf.config.threading.set_intra_op_parallelism_threads(1)
params = exp_factory.get_exp_config(experiment)
params.task.model.num_classes = 4
params.task.model.detection_generator.pre_nms_score_threshold = 0.0  # untrained scores are low
params.task.model.detection_generator.max_num_detections = 20
params.task.model.detection_generator.pre_nms_top_k = 200
params.task.model.roi_generator.test_num_proposals = 100
size = [256, 256]
module = detection.DetectionModule(params, batch_size=1, input_image_size=size, input_type="image_tensor")
checkpoint = tf.train.Checkpoint(model=module.model)
export_saved_model_lib.export_inference_graph(
    "image_tensor", 1, size, params, None, folder, export_module=module, checkpoint=checkpoint)
serve = module.inference_from_image_tensors.get_concrete_function(tf.TensorSpec([1, None, None, 3], tf.uint8))
for image in images:
    pixels = np.load(image)
    found = {key: value.numpy() for key, value in serve(tf.constant(pixels[None])).items()}
    count = int(found["num_detections"][0])
    boxes = (found["detection_boxes"] / np.tile(found["image_info"][:, 2:3], (1, 1, 2)))[0, :count]
    given = {"boxes": boxes[:, [1, 0, 3, 2]], "scores": found["detection_scores"][0, :count]}
    given["classes"], given["info"] = found["detection_classes"][0, :count], found["image_info"][0]
    given["masks"] = mask_ops.paste_instance_masks(
        found["detection_masks"][0, :count], box_ops.yxyx_to_xywh(boxes), *pixels.shape[:2])
    np.savez(image + ".npz", **given)
print("exported")
"""


@pytest.fixture
def pictures(tmp_path):
    """Two images of patches, wide and high."""
    rng = np.random.default_rng(8)
    files = []
    for height, width in ((150, 240), (300, 200)):
        patches = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        files.append(tmp_path / f"{height}.npy")
        np.save(files[-1], np.asarray(patches.resize((width, height), Image.BICUBIC)))
    return files


@pytest.mark.slow
def test_instances_are_those_of_the_exported_module(tensorflow_python, run_tensorflow, pictures, tmp_path):
    (tmp_path / "export.py").write_text(EXPORT)
    said = run_tensorflow(tmp_path / "export.py", "maskrcnn_resnetfpn_coco", tmp_path / "model", *pictures)
    if said.split()[-1] == "absent":
        pytest.skip("the environment of TensorFlow lacks tf-models-official")
    package = Path(segharness_tensorflow.__file__).parent
    given = {"weights": str(tmp_path / "model"), "device": "cpu"}
    packages = {"segharness_tensorflow": str(package)}
    model = ForeignModel(tensorflow_python, (package / "foreign_model.py", "build"), {}, given, packages)
    try:
        for file in pictures:
            image, expected = np.load(file), np.load(f"{file}.npz")
            [found] = model.predict([image])
            assert len(found.scores) > 5
            assert np.array_equal(found.labels, expected["classes"] - 1)
            for key in ("boxes", "scores", "masks"):
                assert np.array_equal(getattr(found, key), expected[key]), key
            assert found.masks.any()
            scale = 256 / max(image.shape[:2])
            rows, columns = (round(side * scale) for side in image.shape[:2])
            assert tuple(found.network_input) == (256, 256, "bilinear", [0, 256 - rows, 0, 256 - columns])
    finally:
        model.close()
