"""COCO's numbers: bit by bit those of pycocotools, on its own demo and on generated data sets."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from segharness.errors import UsageError
from segharness.score import GroundTruth, ScoreRequest
from segharness.score.evaluations.coco import score
from segharness.score.evaluations.coco_engines import accumulate
from segharness.score.evaluations.coco_parameters import configure, read
from segharness.suite import Split

from tests.score.generated_datasets import SIZE, as_images, as_predictions, evaluated, plain, problems, reference_stats

ENGINES = ["hotcoco", "pycocotools"]
COCO_NAMES = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L", "AR1", "AR10", "AR100", "AR_S", "AR_M", "AR_L")
"""The 12 numbers in pycocotools' order."""


def overall(scores, split="all"):
    return [s.value for name in COCO_NAMES for s in scores if (s.metric, s.split, s.category) == (name, split, None)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("task", "name", "ap", "ap50"),
    [("segm", "fakesegm100", 0.3195453, 0.5622884), ("bbox", "fakebbox100", 0.5045807, 0.6969727)],
)
def test_cocoapis_demo_to_the_last_bit(shared, engine, task, name, ap, ap50):
    folder = shared / "data/coco-oracle"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / f"instances_val2014_{name}_results.json").read_text())
    numbers = overall(score(ScoreRequest(GroundTruth(truth), as_predictions(results), task, (), engine)))
    assert numbers == reference_stats(truth, results, task)
    assert numbers[:2] == pytest.approx([ap, ap50], abs=5e-8)


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from(["segm", "bbox"]))
def test_both_engines_give_pycocotools_bits(problem, task):
    truth, results = problem
    expected = [None if v == -1 else v for v in reference_stats(truth, plain(results, task), task)]
    for engine in ENGINES:
        scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), task, (), engine))
        assert overall(scores) == expected, engine


def simple():
    """Two images, categories 1 and 4; the detections of category 1 are perfect, those of 4 are absent."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2:20, 3:15] = 1
    compressed = rle.encode(np.asfortranarray(mask))
    shape = {"size": compressed["size"], "counts": compressed["counts"].decode()}
    annotations = [
        {"id": i, "image_id": image, "category_id": c, "iscrowd": 0, "segmentation": shape,
         "bbox": [3, 2, 12, 18], "area": 216.0}
        for i, (image, c) in enumerate([(1, 1), (2, 1), (2, 4)], 1)
    ]  # fmt: skip
    truth = {
        "images": [{"id": i, "height": SIZE, "width": SIZE} for i in (1, 2)],
        "annotations": annotations,
        "categories": [{"id": 4, "name": "dog"}, {"id": 1, "name": "cat"}],
    }
    results = [
        {"image_id": i, "category_id": 1, "score": 0.5, "segmentation": shape, "bbox": [3, 2, 12, 18]} for i in (1, 2)
    ]
    return truth, results


def test_splits_and_single_categories():
    truth, results = simple()
    splits = (Split("cats", ("cat",)), Split("rest", ("cat",), complement=True))
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", splits))
    assert overall(scores)[0] == 0.5
    assert overall(scores, "cats")[0] == 1.0 and overall(scores, "rest")[0] == 0.0
    by_category = {(s.category, s.metric): s for s in scores if s.category}
    assert by_category["cat", "AP"].value == 1.0 and by_category["dog", "AP50"].value == 0.0
    assert by_category["cat", "AP"].n_instances == 2 and by_category["cat", "AP"].n_images == 2


def test_numbers_without_ground_truth_are_null_with_the_reason():
    truth, results = simple()
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm"))
    [large] = [s for s in scores if s.metric == "AP_L" and s.category is None]
    assert (large.value, large.reason) == (None, "no ground truth")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("task", ["segm", "bbox"])
def test_no_detections_score_zero(engine, task):
    truth, _ = simple()
    assert overall(score(ScoreRequest(GroundTruth(truth), as_predictions([]), task, (), engine)))[0] == 0.0


def test_a_detector_has_no_mask_ap():
    truth, results = simple()
    boxes = [{k: v for k, v in r.items() if k != "segmentation"} for r in results]
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(boxes), "segm"))
    assert {s.reason for s in scores} == {"the model gives no masks"}
    assert overall(score(ScoreRequest(GroundTruth(truth), as_predictions(boxes), "bbox")))[0] == 0.5


def test_the_area_of_a_detection_is_its_masks():
    """A result with a box would be measured by the box: a thin cross in a large box is small, its box is not."""
    truth, _ = simple()
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[0, 0] = mask[-1, -1] = 1
    counts = rle.encode(np.asfortranarray(mask))["counts"].decode()
    shape = {"size": [SIZE, SIZE], "counts": counts}
    results = [{"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": shape, "bbox": [0, 0, 40, 40]}]
    plain = [{k: v for k, v in r.items() if k != "bbox"} for r in results]
    for engine in ENGINES:
        numbers = overall(score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", (), engine)))
        assert [-1 if n is None else n for n in numbers] == reference_stats(truth, plain, "segm")


@st.composite
def options(draw):
    """Generate options that a suite may set."""
    chosen = {}
    if draw(st.booleans()):
        chosen["iou_thresholds"] = draw(st.sampled_from([[0.5, 0.7, 0.8, 0.9], [0.5], [0.3, 0.75], [0.55, 1.0]]))
    if draw(st.booleans()):
        chosen["areas"] = draw(st.sampled_from([{"tiny": [0, 20]}, {"a": [0, 100], "b": [100, 1e10]}, {}]))
    if draw(st.booleans()):
        chosen["max_dets"] = draw(st.sampled_from([[100], [1, 5], [2, 10, 200]]))
    if draw(st.booleans()):
        chosen["class_agnostic"] = draw(st.booleans())
    return chosen


@settings(max_examples=150, deadline=None)
@given(problems(), options(), st.sampled_from(["segm", "bbox"]))
def test_every_setting_gives_pycocotools_bits(problem, chosen, task):
    truth, results = problem
    parameters = read(chosen)
    expected = evaluated(
        truth,
        plain(results, task),
        task,
        iouThrs=parameters.iou,
        areaRng=parameters.ranges,
        areaRngLbl=["all", *(name for name, _, _ in parameters.areas)],
        maxDets=list(parameters.max_dets),
        useCats=int(not parameters.class_agnostic),
    ).eval
    for engine in ENGINES:
        accumulated = accumulate(GroundTruth(truth), as_predictions(results), task, engine, parameters)
        assert np.array_equal(accumulated.precision, expected["precision"]), engine
        assert np.array_equal(accumulated.recall, expected["recall"]), engine


def test_the_numbers_are_named_after_the_settings():
    assert tuple(metric.name for metric in configure({})) == COCO_NAMES
    metrics = configure({"iou_thresholds": [0.5, 0.525, 0.9], "areas": {"tiny": [0, 9]}, "max_dets": [5, 50]})
    assert tuple(metric.name for metric in metrics) == (
        "AP",
        "AP50",
        "AP52.5",
        "AP90",
        "AP_tiny",
        "AR5",
        "AR50",
        "AR_tiny",
    )


def test_settings_reach_the_numbers():
    truth, results = simple()
    for name, expected in (("AP50", 0.5), ("AP90", 0.5), ("AR2", 0.5), ("AP_big", None)):
        request = ScoreRequest(
            GroundTruth(truth),
            as_predictions(results),
            "segm",
            options={"iou_thresholds": [0.5, 0.9], "max_dets": [2], "areas": {"big": [500, 1000]}},
        )
        [selected] = [s for s in score(request) if s.metric == name and s.split == "all" and s.category is None]
        assert selected.value == expected


def test_class_agnostic_has_no_categories():
    truth, results = simple()
    wrong = [{**r, "category_id": 4} for r in results]
    request = ScoreRequest(GroundTruth(truth), as_predictions(wrong), "segm", options={"class_agnostic": True})
    scores = score(request)
    assert {s.category for s in scores} == {None}
    ap = next(s for s in scores if s.metric == "AP")
    assert ap.n_instances == 3 and ap.value == pytest.approx(67 / 101)  # two of three found: recalls 0 to .66


@pytest.mark.parametrize(
    ("given_options", "message"),
    [
        ({"iou_threshold": [0.5]}, "no option `iou_threshold` (did you mean `iou_thresholds`?)"),
        ({"iou_thresholds": [0.9, 0.5]}, "not rising numbers above 0 and up to 1"),
        ({"iou_thresholds": 0.5}, "not rising numbers"),
        ({"iou_thresholds": [0.5, float("nan")]}, "not rising numbers"),
        ({"max_dets": [10, 1]}, "not rising whole numbers from 1"),
        ({"max_dets": [True]}, "not rising whole numbers from 1"),
        ({"areas": [0, 1]}, "not a mapping from names"),
        ({"areas": {"x": [0, 9], "y": [0, 9]}}, "`areas`: y is [0, 9], the same as x"),
        ({"areas": {"x": [0, 1e10]}}, "the same as all areas"),
        ({"areas": {"x": [5, 1]}}, "`areas`: x is [5, 1], not [from, to]"),
        ({"class_agnostic": "yes"}, "not true or false"),
    ],
)
def test_wrong_settings_are_said(given_options, message):
    with pytest.raises(UsageError) as caught:
        configure(given_options)
    assert message in str(caught.value)


def test_image_ids_below_0_are_scored_with_the_definition():
    truth, results = simple()
    for item in truth["images"]:
        item["id"] *= -1
    for item in (*truth["annotations"], *results):
        item["image_id"] *= -1
    notes = []
    request = ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", engine="hotcoco", note=notes.append)
    assert overall(score(request))[0] == 0.5
    assert notes == ["image ids below 0, which hotcoco does not take: scored with pycocotools"]


def test_class_agnostic_splits_are_null_with_the_reason():
    truth, results = simple()
    request = ScoreRequest(
        GroundTruth(truth),
        as_predictions(results),
        "segm",
        (Split("cats", ("cat",)),),
        options={"class_agnostic": True},
    )
    [selected] = [s for s in score(request) if s.split == "cats" and s.metric == "AP"]
    assert selected.value is None and "no categories to split" in selected.reason


def test_what_was_given_prompts_has_no_ap_beside_detectors():
    truth, results = simple()
    images = as_images(truth, prompt="boxes")
    scores = score(ScoreRequest(GroundTruth(truth), as_predictions(results), "segm", images=images))
    assert {s.value for s in scores} == {None}
    assert "see the evaluation `given-boxes`" in scores[0].reason


KEYS_OF_EXPORTERS = {
    "a date that is 0": {"images": {"date_captured": 0, "license": 0, "flickr_url": "", "coco_url": ""}},
    "a licence of text": {"images": {"license": "1"}},
    "an address that is a number": {"images": {"coco_url": 0, "flickr_url": 3.5}},
    "nan": {"images": {"gps": [float("nan")] * 2}, "annotations": {"attributes": {"confidence": float("nan")}}},
    "half a character": {
        "images": {"caption": "\ud83d"},
        "annotations": {"text": "\udc80"},
        "categories": {"x": "\ud83d"},
    },
    "a score of text": {"annotations": {"score": "0.9"}},
    "keypoints of text": {"annotations": {"keypoints": "", "num_keypoints": "x"}},
    "numbers for names": {"categories": {"supercategory": 3, "frequency": 5, "keypoints": 1, "skeleton": "x"}},
    "lists of LVIS that are none": {"images": {"neg_category_ids": None, "not_exhaustive_category_ids": "x"}},
    "lists of LVIS as floats": {"images": {"neg_category_ids": [1.0]}},
    "a nested key": {"annotations": {"extra": {"a": [{"b": None}]}}, "images": {"file_name": 7}},
    "null where a number is optional": {"annotations": {"ignore": None}},
    "bytes": {"images": {"thumbnail": b"\x00"}, "annotations": {"object": object()}},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("keys", KEYS_OF_EXPORTERS.values(), ids=KEYS_OF_EXPORTERS)
def test_keys_that_no_metric_reads_change_nothing(keys, engine):
    """CVAT and Datumaro write "date_captured": 0 into every image."""
    content, results = simple()
    expected = overall(score(ScoreRequest(GroundTruth(content, {}), as_predictions(results), "segm", (), engine)))
    for part, added in keys.items():
        for item in content[part]:
            item.update(added)
    found = overall(score(ScoreRequest(GroundTruth(content, {}), as_predictions(results), "segm", (), engine)))
    assert found == expected
