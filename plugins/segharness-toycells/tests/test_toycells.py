"""The toy problem: generated the same everywhere, and what the classical segmenters make of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pycocotools import mask as rle
from segharness.testing import check_dataset, check_model
from segharness_toycells.dataset import quick, test
from segharness_toycells.scene import CELLS, SIZE, make_scene
from segharness_toycells.segmenters import Threshold, Watershed

test.__test__ = False


def test_contracts():
    check_dataset(quick())
    images = [make_scene(2, i).pixels for i in range(3)]
    for model in (Threshold(), Watershed()):
        check_model(model, images)
        check_model(model, [np.zeros((40, 50, 3), np.uint8), np.full((96, 96, 3), 255, np.uint8)])


def test_any_image_alone_is_the_same_image():
    first = make_scene(2, 7)
    make_scene(2, 8)
    again = make_scene(2, 7)
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(first.masks, again.masks)
    assert not np.array_equal(first.pixels, make_scene(3, 7).pixels)


def test_images_are_what_they_were():
    """Stored results depend on them: a change here needs a new VERSION."""
    digest = hashlib.sha256(b"".join(make_scene(2, i).masks.tobytes() for i in range(8))).hexdigest()
    assert digest[:16] == "f8296a09e51b92b0"
    levels = [round(float(make_scene(2, i).pixels.mean()), 1) for i in range(4)]
    assert levels == [45.7, 48.6, 39.2, 48.9]


def test_the_papers_numbers():
    scenes = [make_scene(2, i) for i in range(64)]
    counts = [len(s.masks) for s in scenes]
    assert CELLS == (8, 22) and SIZE == 96
    assert min(counts) >= 8 and max(counts) <= 22 and max(counts) - min(counts) > 8
    for scene in scenes:
        assert scene.masks.sum(axis=0).max() == 1, "the ground truth is the visible part: masks do not overlap"
        assert scene.masks.any(axis=(1, 2)).all()
        inside = scene.pixels[scene.masks.any(axis=0)].astype(int)
        assert (inside.max(axis=1) - inside[:, 1]).mean() > 60, "cells are blue and red"


def test_quick_is_the_beginning_of_test():
    assert [len(d.samples()) for d in (quick(), test())] == [64, 2000]
    assert np.array_equal(quick().samples()[5].source(), test().samples()[5].source())
    assert quick().digest != test().digest


def test_ground_truth_is_the_scenes_masks():
    dataset = quick()
    truth = dataset.ground_truth("instances")
    own = [a for a in truth["annotations"] if a["image_id"] == 3]
    masks = np.stack([rle.decode(a["segmentation"]) for a in own]).astype(bool)
    assert np.array_equal(masks, dataset.scene(3).masks)
    assert [a["area"] for a in own] == [float(m.sum()) for m in masks]
    with pytest.raises(KeyError):
        dataset.ground_truth("panoptic")


@pytest.mark.parametrize("model", [Threshold(), Watershed()])
def test_a_lone_cell_is_found(model):
    image = np.full((96, 96, 3), 25, np.uint8)
    image[40:52, 20:50] = (208, 48, 56)
    image[42:50, 22:48] = (48, 80, 208)
    [found] = model.predict([image])
    assert len(found.scores) == 1
    truth = np.zeros((96, 96), bool)
    truth[40:52, 20:50] = True
    assert (found.masks[0] & truth).sum() / (found.masks[0] | truth).sum() > 0.8


def test_watershed_divides_touching_cells_and_threshold_does_not():
    image = np.full((96, 96, 3), 25, np.uint8)
    for top in (30, 42):
        image[top : top + 12, 20:60] = (208, 48, 56)
        image[top + 2 : top + 10, 22:58] = (48, 80, 208)
    assert len(Threshold().predict([image])[0].scores) == 1
    assert len(Watershed().predict([image])[0].scores) == 2
