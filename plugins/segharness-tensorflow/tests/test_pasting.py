"""Masks are pasted like the zoos' own functions do it, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from segharness_tensorflow.pasting import paste_model_garden, paste_object_detection

ZOOS = ("official", "object_detection")
REFERENCE = """
import sys
import cv2, numpy as np, tensorflow as tf
from official.vision.ops import box_ops, mask_ops
cv2.ipp.setUseIPP(False)  # whose values differ from OpenCV's own by some 1e-6
given = dict(np.load(sys.argv[1]))
if sys.argv[3] == "object_detection":
    from object_detection.utils import ops
found = {}
for i in range(int(given["count"])):
    masks, boxes, (height, width) = given[f"masks-{i}"], given[f"boxes-{i}"], given[f"size-{i}"].tolist()
    if sys.argv[3] == "object_detection":
        reframed = ops.reframe_box_masks_to_image_masks(tf.constant(masks), tf.constant(boxes), height, width)
        found[str(i)] = reframed.numpy() > 0.5
    else:
        pixels = boxes * np.float32([height, width, height, width])
        found[str(i)] = mask_ops.paste_instance_masks(masks, box_ops.yxyx_to_xywh(pixels), height, width) > 0
np.savez(sys.argv[2], **found)
"""


def scenes(count):
    """Return masks of noise and of zeros and ones (which meet the threshold), boxes beyond the image and on pixels."""
    rng = np.random.default_rng(11)
    given = {"count": np.array(count)}
    for i in range(count):
        size = rng.integers(1 if i < 5 else 10, 200, 2)
        shape = (6, *(rng.integers(1, 40, 2) if i % 3 else (28, 28)))
        masks = rng.random(shape, dtype=np.float32)
        corners = np.sort(rng.random((6, 2, 2), dtype=np.float32) * np.float32(1.4) - np.float32(0.2), axis=1)
        boxes = corners.reshape(6, 4)
        boxes = np.round(boxes * 8) / np.float32(8) if i % 4 == 0 else boxes
        boxes[0] = boxes[0, [0, 1, 0, 1]]  # without area
        masks = (masks > 0.5).astype(np.float32) if i % 2 else masks
        given |= {f"masks-{i}": masks, f"boxes-{i}": boxes, f"size-{i}": size}
    return given


@pytest.mark.slow
@pytest.mark.parametrize("zoo", ["object_detection", "model_garden"])
def test_masks_are_those_of_the_zoo_to_the_pixel(zoo, tensorflow_python, run_tensorflow, tmp_path):
    (tmp_path / "has.py").write_text(f"import importlib.util as u; print(all(u.find_spec(name) for name in {ZOOS!r}))")
    if run_tensorflow(tmp_path / "has.py").strip() != "True":
        pytest.skip(f"the environment of TensorFlow lacks {' or '.join(ZOOS)}")
    given = scenes(80)
    np.savez(tmp_path / "given.npz", **given)
    (tmp_path / "reference.py").write_text(REFERENCE)
    run_tensorflow(tmp_path / "reference.py", tmp_path / "given.npz", tmp_path / "found.npz", zoo)
    covered = 0
    for i, expected in np.load(tmp_path / "found.npz").items():
        masks, boxes, size = (given[f"{key}-{i}"] for key in ("masks", "boxes", "size"))
        if zoo == "object_detection":
            pasted = paste_object_detection(masks, boxes, tuple(size), 0.5)
        else:
            pasted = paste_model_garden(masks, boxes * np.float32([*size, *size]), tuple(size), 0.5)
        assert np.array_equal(pasted, expected), i
        covered += expected.sum()
    assert covered > 100_000


def test_a_mask_of_the_whole_image_stays_as_it_is():
    mask = np.random.default_rng(1).random((1, 31, 45), dtype=np.float32)
    pasted = paste_object_detection(mask, np.float32([[0, 0, 1, 1]]), (31, 45), 0.4)
    assert np.array_equal(pasted, mask > np.float32(0.4))


@pytest.mark.parametrize("paste", [paste_object_detection, paste_model_garden])
def test_no_masks_and_boxes_elsewhere_give_nothing(paste):
    assert paste(np.zeros((0, 7, 7), np.float32), np.zeros((0, 4), np.float32), (5, 9), 0.5).shape == (0, 5, 9)
    masks = np.ones((3, 7, 7), np.float32)
    boxes = np.float32([[40, 40, 50, 50], [-9, -9, -4, -4], [-1e30, -1e30, -9e29, -9e29]])
    assert not paste(masks, boxes, (5, 9), 0.5).any()


def test_a_huge_box_costs_no_more_than_the_image():
    masks = np.ones((1, 7, 7), np.float32)
    assert paste_model_garden(masks, np.float32([[-1e6, -1e6, 1e6, 1e6]]), (5, 9), 0.5).all()
    assert paste_object_detection(masks, np.float32([[-1e6, -1e6, 1e6, 1e6]]), (5, 9), 0.5).all()
