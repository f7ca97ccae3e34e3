"""Instances are checked, clipped, mapped to categories and encoded."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from segharness.errors import ContractError
from segharness.model.labels import Labels
from segharness.model.outputs import validate_instances
from segharness.records import Category, Instances

SHAPE = (8, 10)
LABELS = Labels(["cat", "dog", "ghost"], [Category(5, "dog"), Category(2, "cat", ("kitty",))])


def instances(n=2, **changes):
    fields = {
        "boxes": np.tile(np.float32([1, 2, 5, 6]), (n, 1)),
        "scores": np.linspace(0.9, 0.1, n).astype(np.float32),
        "labels": np.arange(n) % 2,
        "masks": np.zeros((n, *SHAPE), dtype=bool),
    }
    return Instances(**{**fields, **changes})


def test_labels_become_category_ids_by_name():
    assert validate_instances(instances(), SHAPE, LABELS).category_ids.tolist() == [2, 5]


@pytest.mark.parametrize("name", ["KITTY", "kitty", " Cat "])
def test_names_match_by_alias_and_in_any_case(name):
    assert Labels([name], [Category(2, "cat", ("kitty",))]).ids.tolist() == [2]


def test_exact_names_come_first():
    labels = Labels(["Square", "square"], [Category(1, "square"), Category(2, "Square")])
    assert labels.ids.tolist() == [2, 1]


def test_labels_that_the_data_set_does_not_have_are_dropped_and_counted():
    detections = validate_instances(instances(3, labels=np.array([2, 0, 2])), SHAPE, LABELS)
    assert (detections.category_ids.tolist(), detections.dropped) == ([2], 2)
    assert len(detections.masks) == 1


def test_a_model_with_no_category_of_the_data_set_is_refused():
    with pytest.raises(ContractError, match=r"none of its categories \(bird"):
        Labels(["bird"], [Category(1, "cat")])
    with pytest.raises(ContractError, match="its labels 1 and 3 are both called `cat`: give one of them another name"):
        Labels(["N/A", "cat", "N/A", "cat"], [Category(1, "cat")])
    assert Labels(["N/A", "cat", "N/A"], [Category(1, "cat")]).ids.tolist() == [-1, 1, -1]


def test_boxes_become_xywh_and_are_clipped_and_counted():
    detections = validate_instances(instances(boxes=np.float32([[-2, 1, 5, 4], [1, 1, 20, 20]])), SHAPE, LABELS)
    assert detections.boxes.tolist() == [[0, 1, 5, 3], [1, 1, 9, 7]]
    assert detections.clipped == 2


def test_no_instances_are_fine_in_every_form():
    for boxes in (np.zeros((0, 4)), np.zeros(0), []):
        for masks in (None, [], np.zeros((0, *SHAPE), bool), np.zeros((0,))):
            detections = validate_instances(Instances(boxes, [], [], masks), SHAPE, LABELS)
            assert len(detections.scores) == 0 and detections.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.float32([0.5, np.nan])}, "score 1 is not finite: nan"),
        ({"scores": np.float32([np.inf, 0])}, "score 0 is not finite: inf"),
        ({"boxes": np.float32([[1, 1, 2, 2], [1, 1, np.nan, 2]])}, "box 1 is not finite"),
        ({"boxes": np.float32([[1, 1, 2, 2], [5, 1, 2, 2]])}, "box 1 is inverted"),
        ({"boxes": np.zeros((3, 4))}, "disagree in length"),
        ({"scores": np.zeros((2, 1))}, "disagree in length"),
        ({"labels": np.array([0, 3])}, "label 3 of instance 1 is not in 0..2"),
        ({"labels": np.array([-1, 0])}, "label -1 of instance 0"),
        ({"labels": np.array([0.0, 1.0])}, "labels must be integers"),
        ({"masks": np.zeros((2, 8, 9), bool)}, r"masks have shape \(2, 8, 9\), not \(2, 8, 10\)"),
        ({"masks": np.zeros((1, *SHAPE), bool)}, "masks have shape"),
        ({"masks": np.zeros((2, *SHAPE))}, "masks must be bool, not float64"),
        ({"masks": [{"size": [8, 10], "counts": b"x"}]}, "1 masks for 2 scores"),
        ({"masks": [np.zeros(SHAPE, bool), np.zeros((8, 9), bool)]}, r"masks have the shapes .*the image \(8, 10\)"),
        ({"masks": [{"size": [8, 9], "counts": b"52O4"}] * 2}, r"mask 0 has size \(8, 9\), the image \(8, 10\)"),
        ({"masks": [{"size": [8, 10], "counts": b""}] * 2}, "mask 0: the counts cover 0 pixels, the image has 80"),
        ({"masks": [{"counts": b""}] * 2}, "mask 0 is neither"),
        ({"masks": [{"size": [8, 10], "counts": [80]}] * 2}, "must be compressed"),
        ({"boxes": "many"}, "boxes are not numbers"),
    ],
)
def test_a_broken_rule_is_named(changes, message):
    with pytest.raises(ContractError, match=message):
        validate_instances(instances(**changes), SHAPE, LABELS)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({}, "a dict with no keys"),
        ({"boxes": [], "pred_masks": []}, "a dict with the keys `boxes`, `pred_masks`: make an Instances of it"),
        ([{"boxes": []}], "a list of 1: one image has one Instances"),
        ((), "a tuple of 0"),
        (None, "got None"),
        (np.zeros((3, 4)), "a ndarray, which has no `boxes` or `scores` or `labels`"),
    ],
    ids=str,
)
def test_an_object_that_is_not_instances_is_refused(answer, told):
    with pytest.raises(ContractError, match=re.escape(told)):
        validate_instances(answer, (4, 4), LABELS)


masks = st.lists(st.lists(st.booleans(), min_size=80, max_size=80), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(masks)
def test_masks_and_their_rles_are_stored_alike(bits):
    array = np.array(bits).reshape(-1, *SHAPE)
    encoded = [rle.encode(np.asfortranarray(m.astype(np.uint8))) for m in array]
    from_masks = validate_instances(instances(len(array), masks=array), SHAPE, LABELS)
    from_rles = validate_instances(instances(len(array), masks=encoded), SHAPE, LABELS)
    from_list = validate_instances(instances(len(array), masks=list(array)), SHAPE, LABELS)
    assert list(from_list.masks) == list(from_masks.masks)
    assert list(from_masks.masks) == list(from_rles.masks) == [m["counts"] for m in encoded]
