"""test-dev: images whose annotations are not public are predicted and exported, and AP is null with the reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
from segharness import DataError
from segharness.testing import check_dataset
from segharness_coco.dataset import Coco2017, CocoInstances

from tests.streets import street, write_coco

MODEL = """
import numpy as np
from segharness import Instances


class Model:
    categories = ["car", "person"]

    def predict(self, images, prompts=None):
        return [self.one(*image.shape[:2]) for image in images]

    def one(self, height, width):
        masks = np.zeros((1, height, width), bool)
        masks[0, 2:9, 3:12] = True
        return Instances(np.array([[3.0, 2, 12, 9]]), np.array([0.5]), np.array([0]), masks)


def build():
    return Model()
"""


@pytest.fixture
def root(tmp_path):
    write_coco(tmp_path, {name: street(np.random.default_rng(1), 24, 32) for name in ("a", "b")}, split="test2017")
    file = tmp_path / "annotations/instances_test2017.json"
    content = json.loads(file.read_text())
    del content["annotations"]
    file.unlink()
    (tmp_path / "annotations/image_info_test-dev2017.json").write_text(json.dumps(content))
    return tmp_path


def test_it_has_images_and_categories_and_no_ground_truth(root):
    found = Coco2017(str(root), "test-dev2017")
    assert len(found.samples()) == 2 and len(found.categories) == 8
    assert found.withheld == "image_info_test-dev2017.json has no annotations: they are not public"
    with pytest.raises(KeyError):
        found.ground_truth("instances")
    file = str(root / "annotations/image_info_test-dev2017.json")
    assert CocoInstances(file, str(root / "test2017")).withheld == found.withheld
    renamed = root / "annotations/mine.json"
    renamed.write_bytes((root / "annotations/image_info_test-dev2017.json").read_bytes())
    with pytest.raises(DataError, match="the key `annotations` is missing"):  # a mistake, elsewhere
        CocoInstances(str(renamed), str(root / "test2017"))


def test_it_is_predicted_and_exported_and_its_numbers_are_null_with_the_reason(harness, root):
    harness.write("m.py", MODEL)
    harness.write(
        "s.yaml",
        f"segharness: 1\nname: s\nmodels: [{{id: m, model: './m.py:build'}}]\n"
        f"datasets: [{{id: test-dev, dataset: coco/2017, options: {{root: '{root}', split: test-dev2017}}}}]\n"
        "conditions: [clean]\nscoring: {tasks: [segm, bbox]}\n",
    )
    done = harness("run", "s.yaml")
    assert done.code == 0, done.err
    reason = "image_info_test-dev2017.json has no annotations: they are not public"
    assert (
        f"data set `test-dev`: {reason}: its images are predicted, and its numbers will be null" in done.err + done.out
    )
    rows = harness.results("s").to_pylist()
    assert rows and {r["value"] for r in rows} == {None} and {r["reason"] for r in rows} == {reason}
    assert harness("export-results", "runs/s", "-o", "out").code == 0
    [file] = list((harness.folder / "out").rglob("*segm*.json"))
    results = json.loads(file.read_text())
    assert len(results) == 2 and results[0]["score"] == 0.5
    assert {r["category_id"] for r in results} == {26}
    assert harness("score", "runs/s").code == 0
    check = harness("datasets", "check", "coco/2017", "--root", str(root), "--split", "test-dev2017")
    assert "Traceback" not in check.err


def test_it_keeps_the_contract_of_data_sets(root):
    check_dataset(Coco2017(str(root), "test-dev2017"))
