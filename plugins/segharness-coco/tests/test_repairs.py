"""Annotation files as exporters write them: repaired with one note a kind, and scored as pycocotools scores the repaired."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from segharness import DataError
from segharness_coco.dataset import CocoInstances
from segharness_coco.repairs import Repairs

SIZE = (40, 60)


def content():
    """Two images, three categories, four objects: two polygons, an RLE and a crowd."""
    mask = np.zeros(SIZE, np.uint8, order="F")
    mask[5:15, 20:40] = 1
    runs = rle.encode(mask)
    square = [[2.5, 3, 12.5, 3, 12.5, 13, 2.5, 13]]
    return {
        "info": {"year": 2026},
        "images": [{"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "cow"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2.5, 3.0, 10.0, 10.0], "area": 100.0,
             "segmentation": square},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [20.0, 5.0, 20.0, 10.0], "area": 200.0,
             "segmentation": {"size": list(SIZE), "counts": runs["counts"].decode()}},
            {"id": 3, "image_id": 2, "category_id": 2, "bbox": [2.5, 3.0, 10.0, 10.0], "area": 100.0,
             "segmentation": copy.deepcopy(square)},
            {"id": 4, "image_id": 2, "category_id": 1, "bbox": [20.0, 20.0, 5.0, 5.0], "area": 25.0, "iscrowd": 1,
             "segmentation": [[20, 20, 25, 20, 25, 25, 20, 25]]},
        ],
    }  # fmt: skip


def repaired(change, maskless=None):
    changed = content()
    change(changed)
    repairs = Repairs(changed, maskless)
    return repairs.content, repairs.notes


def test_a_good_file_is_left_alone():
    assert repaired(lambda c: None) == (content(), [])


def each(items, **values):
    for item in items:
        item.update(values)


def without(items, *names):
    for item in items:
        for name in names:
            item.pop(name, None)


def as_floats(c):
    for image in c["images"]:
        image.update(id=float(image["id"]), height=40.0)
    for annotation in c["annotations"]:
        annotation.update(image_id=float(annotation["image_id"]), category_id=float(annotation["category_id"]))
    c["annotations"][1]["segmentation"] = {"size": [40.0, 60.0], "counts": [805.0, 10.0, 1585.0]}


SAME = {
    "no areas": (lambda c: without(c["annotations"], "area"), "`area` of 4 annotations is missing, and computed"),
    "null areas": (lambda c: each(c["annotations"][:1], area=None), "`area` of 1 annotation is missing, and computed"),
    "no boxes": (lambda c: without(c["annotations"], "bbox"), "`bbox` of 4 annotations is missing, and computed"),
    "empty boxes": (lambda c: each(c["annotations"][2:3], bbox=[]), "`bbox` of 1 annotation is missing, and computed"),
    "floats": (
        lambda c: [i.update(id=float(i["id"]), width=60.0) for k in ("images",) for i in c[k]],
        "4 whole numbers are written as fractions or truth values: `id` of images (2), `width` of images (2)",
    ),
    "truth values": (
        lambda c: each(c["annotations"][3:], iscrowd=True),
        "1 whole numbers are written as fractions or truth values: `iscrowd` of annotations (1)",
    ),
    "category twice, after": (
        lambda c: c["categories"].append({"id": 9, "name": "dog"}),
        "1 category without annotations left out, whose name another one has: `dog` (id 9)",
    ),
    "category twice, before": (
        lambda c: c["categories"].insert(0, {"id": 9, "name": "cat"}),
        "1 category without annotations left out, whose name another one has: `cat` (id 9)",
    ),
    "categories twice, both unused": (
        lambda c: c["categories"].append({"id": 8, "name": "cow"}),
        "1 category without annotations left out, whose name another one has: `cow` (id 8)",
    ),
    "removed image": (
        lambda c: c["annotations"].append({**c["annotations"][0], "id": 9, "image_id": 77}),
        "1 annotation left out, of 1 image that the file does not have: id 77",
    ),
    "removed images": (
        lambda c: c["annotations"].extend({**c["annotations"][0], "id": 9 + i, "image_id": 77 + i} for i in range(36)),
        "36 annotations left out, of 36 images that the file does not have: id 77, id 78, id 79 ...",
    ),
    "a point and a pair beside a polygon": (
        lambda c: c["annotations"][0]["segmentation"].extend([[5, 5], [1, 2, 3, 4]]),
        "2 flat polygons of under three points left out: they hold no pixel",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_what_can_only_mean_one_thing_is_repaired_with_one_note(name):
    change, note = SAME[name]
    found, notes = repaired(change)
    assert notes == [note]
    expected = content()
    if name == "empty boxes" or "areas" in name or name == "no boxes":
        for old, new in zip(expected["annotations"], found["annotations"], strict=True):
            assert new["bbox"] == pytest.approx(old["bbox"], abs=1e-9)
            assert new["area"] == pytest.approx(old["area"], abs=11)  # COCO's own is that of the polygon
            old |= {"bbox": new["bbox"], "area": new["area"]}
    key = lambda c: (c["id"], c["name"])  # noqa: E731
    if name == "categories twice, both unused":
        assert sorted(map(key, found["categories"])) == sorted(map(key, expected["categories"]))
    assert found == expected


@pytest.mark.parametrize("points", [[4, 4, 10, 4, 7, 4], [4, 4, 4, 9, 4, 6, 4, 5]])
def test_objects_on_one_line_stay_and_are_said(points):
    flat = {"id": 9, "image_id": 1, "category_id": 1, "bbox": [4, 4, 6, 0], "area": 0, "segmentation": [points]}
    found, notes = repaired(lambda c: c["annotations"].append(dict(flat)))
    assert found["annotations"][-1] == flat
    assert notes == ["1 object holds no pixel (first: annotation 9): no mask can match"]


@pytest.mark.parametrize("shape", [[[4, 4, 6, 6]], [[4, 4]], [[1, 2], [3, 4]]])
def test_boxes_in_the_place_of_masks_are_asked_for(tmp_path, shape):
    changed = content()
    each(changed["annotations"], segmentation=shape)
    (tmp_path / "a.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match="4 objects have no mask of"):
        CocoInstances(str(tmp_path / "a.json"))
    assert len(CocoInstances(str(tmp_path / "a.json"), maskless="box").ground_truth("instances")["annotations"]) == 4


@pytest.mark.parametrize("shift", [1, -1])
def test_ids_that_are_shifted_are_no_removed_images(tmp_path, shift):
    changed = content()
    each(changed["annotations"][2:], image_id=2 + shift)
    each(changed["annotations"][:2], image_id=1 + shift)
    (tmp_path / "a.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match=r"all would have their image if image_id were [+-]1"):
        CocoInstances(str(tmp_path / "a.json"))
    each(changed["annotations"], image_id=700)
    (tmp_path / "a.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match="none of their images is in the file"):
        CocoInstances(str(tmp_path / "a.json"))


@pytest.mark.parametrize("choice", ["box", "ignore"])
def test_an_object_with_neither_mask_nor_box_can_only_be_left_out(tmp_path, choice):
    changed = content()
    changed["annotations"][0].update(segmentation=[], bbox=[1, 1, 0, 0])
    (tmp_path / "a.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match="1 object has neither a mask nor a box"):
        CocoInstances(str(tmp_path / "a.json"), maskless=choice)
    assert len(CocoInstances(str(tmp_path / "a.json"), maskless="drop").ground_truth("instances")["annotations"]) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.update(image_id=[1]),
        lambda a: a.update(image_id={}),
        lambda a: a.update(category_id=[2]),
        lambda a: a.update(segmentation=[[0, 0, 9e8, 0, 9e8, 9e8]]),
        lambda a: a.update(segmentation={"size": list(SIZE), "counts": [-5, 2405]}),
        lambda a: a.update(segmentation={"size": list(SIZE), "counts": [2**40, 2400 - 2**40]}),
        lambda a: a.update(segmentation={"size": list(SIZE), "counts": [2400.5]}),
        lambda a: a.update(segmentation={"size": None, "counts": None}),
        lambda a: a.update(bbox={"x": 1}),
    ],
)
def test_what_cannot_be_repaired_is_named_by_the_checks(tmp_path, change):
    changed = content()
    for annotation in changed["annotations"]:
        del annotation["area"]
    change(changed["annotations"][0])
    (tmp_path / "a.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match="annotations?,? (id )?1"):
        CocoInstances(str(tmp_path / "a.json"))


def many(change):
    """Twelve objects with polygons, whose boxes are changed."""
    made = content()
    for number in range(12):
        x, y, w, h = 2.0 + number, 3.0 + number, 12.0, 9.0
        made["annotations"].append(
            {"id": 100 + number, "image_id": 2, "category_id": 1, "bbox": change(x, y, w, h), "area": w * h, "iscrowd": 0,
             "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]]}
        )  # fmt: skip
    return Repairs(made).notes


def test_boxes_of_the_ground_truth_in_another_form_are_said():
    assert many(lambda x, y, w, h: [x, y, w, h]) == [] and many(lambda x, y, w, h: [x + 1, y, w - 2, h + 1]) == []
    [note] = many(lambda x, y, w, h: [x, y, x + w, y + h])
    assert "`bbox` of 1" in note and "they look like corners (x1 y1 x2 y2): box AP means little" in note
    [note] = many(lambda x, y, w, h: [50.0, 30.0, 3.0, 3.0])
    assert "`bbox` of 12 of 14 objects is not x y width height of its mask: box AP means little" in note
    fractions = content()
    fractions["annotations"] = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [0.1, 0.1, 0.5, 0.5], "area": 0.25} for i in range(1, 9)
    ]
    assert "fractions of the image" in Repairs(fractions).notes[0]


def test_floats_everywhere():
    found, [note] = repaired(as_floats)
    assert "`counts` of RLEs (1)" in note and "`size` of RLEs (1)" in note
    assert all(type(a[k]) is int for a in found["annotations"] for k in ("image_id", "category_id"))
    assert found["annotations"][1]["segmentation"] == {"size": [40, 60], "counts": [805, 10, 1585]}


@pytest.mark.parametrize("lacking", ["key", None, []])
def test_objects_without_a_mask_are_asked_for(tmp_path, lacking):
    def change(c):
        for annotation in (c["annotations"][0], c["annotations"][2]):
            annotation.pop("segmentation")
            if lacking != "key":
                annotation["segmentation"] = lacking

    changed = content()
    change(changed)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(changed))
    with pytest.raises(DataError) as caught:
        CocoInstances(str(file))
    [problem] = caught.value.problems
    assert (
        "2 objects have no mask of at least three points, and others have one (first: annotation 1)" in problem
        and "`maskless`" in problem
    )
    results = {}
    for choice in ("ignore", "box", "drop"):
        data = CocoInstances(str(file), maskless=choice)
        results[choice] = data.ground_truth("instances")["annotations"]
        assert len(data.notes) == 1 and "2 objects without a mask" in data.notes[0]
    assert len({CocoInstances(str(file), maskless=choice).digest for choice in results}) == 3
    assert [a["id"] for a in results["drop"]] == [2, 4]
    assert [a["iscrowd"] for a in results["ignore"]] == [1, 0, 1, 1]
    assert [a["iscrowd"] for a in results["box"]] == [0, 0, 0, 1]
    box = results["box"][0]
    assert rle.area({**box["segmentation"], "counts": box["segmentation"]["counts"].encode()}) == pytest.approx(
        100, abs=11
    )


def test_a_file_without_any_mask_is_of_boxes(tmp_path):
    changed = content()
    without(changed["annotations"], "segmentation")
    (tmp_path / "a.json").write_text(json.dumps(changed))
    data = CocoInstances(str(tmp_path / "a.json"))
    assert data.notes == [] and len(data.ground_truth("instances")["annotations"]) == 4


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c["categories"].append({"id": 9, "name": "dog"}) or c["annotations"].append(
            {**c["annotations"][0], "id": 9, "category_id": 9}), "the name `dog` is given twice"),
        (lambda c: without(c["annotations"], "bbox", "segmentation"), "lacks `bbox`, `area`"),
        (lambda c: each(c["annotations"], category_id=1.5), "`category_id` is 1.5, not a whole number"),
        (lambda c: each(c["annotations"], image_id="1"), "`image_id` is '1', not a whole number"),
        (lambda c: each(c["annotations"], category_id=50), "its category 50 is not in the file"),
        (lambda c: each(c["annotations"], segmentation=[[1, 2], [9, 2], [9, 9]]), "its points stand in pairs [x, y]"),
        (lambda c: each(c["annotations"], area=float("nan")), "`area` is nan, not a number"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5]]), "is not x y x y"),
    ],
)  # fmt: skip
def test_what_may_mean_several_things_is_refused_with_one_line(tmp_path, change, problem):
    changed = content()
    change(changed)
    without(changed["annotations"], *(["area"] if "lacks" in problem else []))
    (tmp_path / "a.json").write_text(json.dumps(changed))
    with pytest.raises(DataError) as caught:
        CocoInstances(str(tmp_path / "a.json"))
    assert any(problem in line for line in caught.value.problems) and len(caught.value.problems) <= 2


@pytest.mark.parametrize("broken", [None, [], "x", {"images": 3}, {"annotations": [None, [], 3]}, {"categories": [{}]}])
def test_what_is_no_annotation_file_stays_as_it_is(broken):
    assert Repairs(copy.deepcopy(broken)).content == broken
    whole = content()
    if isinstance(broken, dict):
        Repairs(whole | copy.deepcopy(broken), "box")


def test_check_fixes_and_says_what_it_did(harness):
    changed = content()
    for name in ("no areas", "category twice, after", "removed images", "a point and a pair beside a polygon"):
        SAME[name][0](changed)
    each(changed["images"], width=60.0)
    changed["annotations"][1]["segmentation"] = []
    harness.write("a.json", json.dumps(changed))
    words = ("datasets", "check", "coco/instances,annotations=a.json", "--fix")
    done = harness(*words, "-o", "b.json")
    assert done.code == 4 and "`maskless`" in done.err and not (harness.folder / "b.json").exists()
    words = ("datasets", "check", "coco/instances,annotations=a.json,maskless=box", "--fix")
    done = harness(*words, "-o", "b.json")
    assert done.code == 0, done.err
    for text in (
        "36 annotations left out",
        "`dog` (id 9)",
        "1 object without a mask have",
        "2 flat polygons",
        "`area` of 4",
    ):
        assert text in done.out.replace("1 object without a mask has", "1 object without a mask have"), done.out
    fixed = json.loads((harness.folder / "b.json").read_text())
    assert fixed["info"] == {"year": 2026} and len(fixed["annotations"]) == 4
    assert CocoInstances(str(harness.folder / "b.json")).notes == []
    assert len(COCO(str(harness.folder / "b.json")).getAnnIds()) == 4
    assert harness(*words, "-o", "a.json").code == 4
    assert json.loads((harness.folder / "a.json").read_text()) == changed
    assert harness(*words).code == 4 and harness("datasets", "check", "--fix", "-o", "c.json").code == 4
    assert harness("datasets", "check", "--fix", "toycells/quick", "-o", "c.json").code == 4
