"""Policies for categories (merged, dropped, ignored): in the ground truth, in predictions, and in the numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from segharness import Category, UsageError
from segharness.data.taxonomy import Taxonomy
from segharness.store import PREDICTIONS, manifest_of, table
from segharness.suite import DatasetEntry

CATEGORIES = [Category(24, "person"), Category(25, "rider"), Category(26, "car"), Category(33, "bicycle")]
CONTENT = {
    "images": [{"id": 1, "height": 8, "width": 8}],
    "annotations": [
        {"id": 4, "image_id": 1, "category_id": 25, "iscrowd": 0},
        {"id": 9, "image_id": 1, "category_id": 26, "iscrowd": 0},
    ],
    "categories": [{"id": c.id, "name": c.name} for c in CATEGORIES],
}


def taxonomy(labels=None, categories=()):
    return Taxonomy(DatasetEntry("d", "d", labels=labels or {}, categories=tuple(categories)), CATEGORIES)


def truth(labels=None, categories=(), kind="instances"):
    """Return (id, category id, iscrowd) of all annotations, and the names of all categories, as they are scored."""
    content = taxonomy(labels, categories).apply_to_ground_truth(kind, CONTENT)
    return (
        [(a["id"], a["category_id"], a["iscrowd"]) for a in content["annotations"]],
        [c["name"] for c in content["categories"]],
    )


def predicted(labels=None, categories=()):
    """Return (category id, score) of four predictions, one a category, as they are scored."""
    count = 4
    content = table(
        PREDICTIONS,
        {
            "image_id": [1] * count,
            "category_id": [24, 25, 26, 33],
            "score": [0.9, 0.8, 0.7, 0.6],
            "bbox": [[0.0, 0.0, 1.0, 1.0]] * count,
            "mask": [None] * count,
            "annotation_id": [None] * count,
        },
    )
    scored = taxonomy(labels, categories).apply_to_predictions(content)
    return list(zip(scored.column("category_id").to_pylist(), scored.column("score").to_pylist(), strict=True))


def test_without_a_policy_nothing_changes():
    assert truth() == ([(4, 25, 0), (9, 26, 0)], ["person", "rider", "car", "bicycle"])
    assert predicted() == [(24, 0.9), (25, 0.8), (26, 0.7), (33, 0.6)]


def test_merged_categories_are_one():
    assert truth({"rider": "person"}) == ([(4, 24, 0), (9, 26, 0)], ["person", "car", "bicycle"])
    assert predicted({"rider": "person"}) == [(24, 0.9), (24, 0.8), (26, 0.7), (33, 0.6)]


def test_dropped_categories_are_as_if_nothing_were_annotated():
    assert truth({"rider": "drop"}) == ([(9, 26, 0)], ["person", "car", "bicycle"])
    assert predicted({"rider": "drop"}) == [(24, 0.9), (26, 0.7), (33, 0.6)]


def test_ignored_regions_are_crowds_of_every_category():
    annotations, names = truth({"rider": "ignore"})
    assert names == ["person", "car", "bicycle"]
    assert annotations == [(9, 26, 0), (10, 24, 1), (11, 26, 1), (12, 33, 1)]
    assert predicted({"rider": "ignore"}) == [(24, 0.9), (26, 0.7), (33, 0.6)]


def test_ignored_segments_are_void_of_a_panoptic_ground_truth():
    assert truth({"rider": "ignore"}, kind="panoptic") == ([(9, 26, 0)], ["person", "car", "bicycle"])


def test_only_listed_categories_are_scored_after_merging():
    assert truth({"rider": "person"}, ["person", "car"]) == ([(4, 24, 0), (9, 26, 0)], ["person", "car"])
    assert predicted({"rider": "person"}, ["person", "car"]) == [(24, 0.9), (24, 0.8), (26, 0.7)]
    assert truth({}, ["car"]) == ([(9, 26, 0)], ["car"])


def test_another_kind_of_ground_truth_is_left_alone():
    assert taxonomy({"rider": "drop"}).apply_to_ground_truth("void", CONTENT) is CONTENT


def test_a_category_may_stay_what_it_is():
    assert truth({"rider": "rider"}) == truth() and predicted({"rider": "rider"}) == predicted()


def test_lists_of_federated_data_sets_follow():
    content = {
        **CONTENT,
        "images": [
            {"id": 1, "height": 8, "width": 8, "neg_category_ids": [24, 25, 33], "not_exhaustive_category_ids": [25]}
        ],
    }
    [image] = taxonomy({"rider": "person", "bicycle": "drop"}).apply_to_ground_truth("instances", content)["images"]
    assert (image["neg_category_ids"], image["not_exhaustive_category_ids"]) == ([24], [24])


def test_only_categories_of_the_ground_truth_are_crowds():
    """The instances of a panoptic data set are of things; its categories include stuff as well."""
    things = {**CONTENT, "categories": [c for c in CONTENT["categories"] if c["name"] != "bicycle"]}
    content = taxonomy({"rider": "ignore"}).apply_to_ground_truth("instances", things)
    assert [a["category_id"] for a in content["annotations"]] == [26, 24, 26]


def test_the_names_of_policies_are_no_categories():
    with pytest.raises(UsageError, match="its category `drop` has the name of a policy"):
        Taxonomy(DatasetEntry("d", "d", labels={"a": "drop"}), [Category(1, "a"), Category(2, "drop")])
    Taxonomy(DatasetEntry("d", "d"), [Category(1, "a"), Category(2, "drop")])


@pytest.mark.parametrize(
    ("labels", "categories", "message"),
    [
        (dict.fromkeys(("person", "rider", "car", "bicycle"), "drop"), (), "no category is left to be scored"),
        ({"ridr": "person"}, (), "`labels`: no category `ridr` (did you mean `rider`?)"),
        ({"rider": "persn"}, (), "rider becomes `persn`, which is no category, nor drop or ignore"),
        ({"rider": "person", "person": "car"}, (), "rider becomes person, which becomes car itself"),
        ({}, ("train",), "`categories`: no category `train`"),
        ({"rider": "person"}, ("rider",), "`categories`: rider is kept there, and becomes person"),
    ],
)
def test_mistakes_are_named(labels, categories, message):
    with pytest.raises(UsageError) as raised:
        taxonomy(labels, categories)
    assert message in "\n".join(raised.value.problems)


POLICY = """
segharness: 1
name: {name}
models: [{{id: m, model: "./model.py:build"}}]
datasets:
  - id: d
    dataset: coco/instances
    options: {{annotations: a.json, images: images}}
    labels: {labels}
conditions: [clean]
"""

MODEL = '''
import numpy as np

from segharness import Instances


class Model:
    categories = ["person", "bicycle"]

    def predict(self, images, prompts=None):
        """A person where the rider is, better scored than the one where the person is."""
        masks = np.zeros((2, 20, 20), bool)
        masks[0, 2:8, 2:8] = masks[1, 12:18, 12:18] = True
        boxes = np.array([[2, 2, 8, 8], [12, 12, 18, 18]], np.float32)
        return [Instances(boxes, np.array([0.9, 0.5], np.float32), np.array([0, 0]), masks) for _ in images]


def build():
    return Model()
'''


@pytest.mark.parametrize(
    ("labels", "ap"),
    [
        ("{}", 0.5),  # the rider counts as background: its person is wrong, and the first
        ("{rider: person}", 1.0),
        ("{rider: drop}", 0.5),
        ("{rider: ignore}", 1.0),
    ],
)
def test_the_policy_decides_the_number_and_needs_no_model(harness, labels, ap):
    from PIL import Image

    (harness.folder / "images").mkdir()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(harness.folder / "images/1.png")
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [2, 2, 6, 6], "area": 36, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [12, 12, 6, 6], "area": 36, "iscrowd": 0},
    ]
    for a in annotations:
        x, y, w, h = a["bbox"]
        a["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    names = ("person", "rider", "bicycle")
    content = {
        "images": [{"id": 1, "file_name": "1.png", "height": 20, "width": 20}],
        "annotations": annotations,
        "categories": [{"id": id, "name": name} for id, name in enumerate(names, 1)],
    }
    harness.write("a.json", json.dumps(content))
    harness.write("model.py", MODEL)
    harness.write("s.yaml", POLICY.format(name="s", labels=labels))
    done = harness("run", "s.yaml", "--no-bootstrap", "--executor", "inline")
    assert done.code == 0, done.err
    average_precisions = {
        (row["task"], row["category"]): row["value"]
        for row in harness.results("s").to_pylist()
        if row["metric"] == "AP"
    }
    assert average_precisions["segm", "person"] == pytest.approx(ap, abs=1e-3)
    protocol = manifest_of(harness.results("s"), "s")["protocol"]
    harness.write("s.yaml", POLICY.format(name="s", labels="{bicycle: drop}"))
    again = harness("run", "s.yaml", "--no-bootstrap", "--executor", "inline")
    assert "0 predictions made, 1 reused" in again.out + again.err
    assert manifest_of(harness.results("s"), "s")["protocol"] != protocol
