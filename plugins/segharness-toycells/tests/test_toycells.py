"""The toy problem: generated the same everywhere, and what the classical segmenters make of it."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from segharness import UsageError
from segharness.testing import check_dataset, check_model
from segharness_toycells.boxes import boxes_of
from segharness_toycells.dataset import quick, test, train, validation
from segharness_toycells.plugin import segharness_datasets, segharness_models
from segharness_toycells.scaling import enlarged, shrunk
from segharness_toycells.scene import CELLS, LEAST_VISIBLE, SIZE, make_scene
from segharness_toycells.segmenters import Threshold, Watershed

test.__test__ = False


def test_contracts():
    check_dataset(quick())
    check_dataset(quick(enlarged=4))
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
    scenes = [make_scene(2, i) for i in range(8)]
    for name, expected in (("masks", "76c8b986899be917"), ("pixels", "e98ef46047eb3af3")):
        digest = hashlib.sha256(b"".join(getattr(scene, name).tobytes() for scene in scenes)).hexdigest()
        assert digest[:16] == expected, name


def test_splits_are_other_images():
    assert [len(d.samples()) for d in (train(), test(), quick(), validation(5))] == [10_000, 2000, 64, 5]
    first = [d.samples()[0].source() for d in (train(), test(), validation(5))]
    assert not any(np.array_equal(first[a], first[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert np.array_equal(quick().samples()[5].source(), test().samples()[5].source())
    assert len({d.digest for d in (train(), test(), quick(), quick(enlarged=4), validation(5))}) == 5


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


def test_no_cell_is_hidden_too_far():
    """Of a cell away from the border at least its share of the smallest cell is seen: length 11, radius 3.6."""
    smallest = 11 * 2 * 3.6 + np.pi * 3.6**2
    masks = [mask for i in range(64) for mask in make_scene(2, i).masks]
    areas = [int(m.sum()) for m in masks if not (m[[0, -1]].any() or m[:, [0, -1]].any())]
    assert min(areas) > 0.97 * LEAST_VISIBLE * smallest, "pixels round the area"
    assert sum(area < 0.6 * smallest for area in areas) > 20, "many overlap"


def test_blur_and_noise_vary():
    """Noise is what the empty background's pixels differ in; blur is how far a boundary's red spreads."""
    spreads, agreements, reds = [], [], []
    for scene in (make_scene(2, i) for i in range(40)):
        empty = cv2.dilate(scene.masks.any(axis=0).astype(np.uint8), np.ones((9, 9))) == 0
        noise = np.where(empty, scene.pixels[:, :, 1].astype(float), np.nan)
        spreads.append(float(np.nanstd(noise)))
        pairs = np.stack([noise[:, :-1].ravel(), noise[:, 1:].ravel()])
        agreements.append(float(np.corrcoef(pairs[:, ~np.isnan(pairs).any(axis=0)])[0, 1]))
        reds.append(float(np.percentile(scene.pixels[:, :, 0], 99)))
    assert min(spreads) < 6 and max(spreads) > 10
    assert max(map(abs, agreements)) < 0.1, "the noise is high-frequency: neighbours do not agree"
    assert max(reds) - min(reds) > 40


def test_ground_truth_is_the_scenes_masks():
    dataset = quick()
    truth = dataset.ground_truth("instances")
    own = [a for a in truth["annotations"] if a["image_id"] == 3]
    masks = np.stack([rle.decode(a["segmentation"]) for a in own]).astype(bool)
    assert np.array_equal(masks, dataset.scene(3).masks)
    assert [a["area"] for a in own] == [float(m.sum()) for m in masks]
    with pytest.raises(KeyError):
        dataset.ground_truth("panoptic")


def test_enlarged_images_are_squares_of_pixels_and_shrink_back_exactly():
    small, large = quick(), quick(enlarged=4)
    pixels, big = small.samples()[2].source(), large.samples()[2].source()
    assert big.shape == (384, 384, 3) and (large.samples()[2].height, large.samples()[2].width) == (384, 384)
    assert all(np.array_equal(big[i::4, j::4], pixels) for i in range(4) for j in range(4))
    assert np.array_equal(shrunk(big, 4), pixels)
    annotations = [
        [a for a in d.ground_truth("instances")["annotations"] if a["image_id"] == 3] for d in (small, large)
    ]
    for one, many in zip(*annotations, strict=True):
        mask = rle.decode(one["segmentation"])
        assert np.array_equal(rle.decode(many["segmentation"]), enlarged(mask, 4, (0, 1)))
        assert many["area"] == 16 * one["area"] and many["bbox"] == [4 * v for v in one["bbox"]]


@pytest.mark.parametrize("kind", [Threshold, Watershed])
def test_the_segmenters_give_an_enlarged_images_masks_enlarged(kind):
    pixels = make_scene(2, 4).pixels
    [small], [large] = kind().predict([pixels]), kind(shrink=4).predict([enlarged(pixels, 4, (0, 1))])
    assert len(small.scores) > 3
    assert np.array_equal(large.masks, enlarged(small.masks, 4, (1, 2)))
    assert np.array_equal(large.boxes, small.boxes * 4) and np.array_equal(large.scores, small.scores)


def test_boxes_are_the_smallest_and_0_for_an_empty_mask():
    masks = np.zeros((3, 6, 9), bool)
    masks[0, 2, 3] = masks[1, 0, 0] = masks[1, 5, 8] = True
    assert boxes_of(masks).tolist() == [[3, 2, 4, 3], [0, 0, 9, 6], [0, 0, 0, 0]]
    assert boxes_of(masks[:0]).shape == (0, 4)


def test_shrinking_takes_means_and_whole_squares_only():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:4, :4] = np.arange(16).reshape(4, 4)[..., None]
    assert shrunk(image, 4)[0, 0].tolist() == [8, 8, 8] and shrunk(image, 4)[0, 1].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="8x4 cannot be shrunk 3 times"):
        shrunk(image, 3)


@pytest.mark.parametrize("value", [0, -1, 17, 2.0, "4", True])
def test_an_image_is_enlarged_a_whole_number_of_times(value):
    for spec, key in ((segharness_datasets()[0], "enlarged"), (segharness_models()[0], "shrink")):
        assert spec.options[key].check(value) == f"is {value!r}, not a whole number from 1 to 16"
        assert spec.options[key].check(16) is None
    for make in (lambda: quick(enlarged=value), lambda: Threshold(shrink=value)):
        with pytest.raises(UsageError, match="not a whole number from 1 to 16"):
            make()


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
