"""COCO-format data sets: read as they are, every mistake named."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from segharness import DataError
from segharness.testing import check_dataset
from segharness_coco.annotations import annotation_problems, structure_problems, well_formed_items
from segharness_coco.dataset import Coco2017, CocoInstances, CocoO, LvisV1
from segharness_coco.names import IDS, NON_VOC, VOC

from tests.streets import zipped


def content():
    return {
        "images": [
            {"id": 9, "file_name": "b.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "a.png", "height": 20, "width": 30},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 5, "bbox": [1, 1, 4, 4], "area": 16.0,
             "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]},
            {"id": 2, "image_id": 2, "category_id": 5, "bbox": [0, 0, 30, 20], "area": 600, "iscrowd": 1,
             "segmentation": {"size": [20, 30], "counts": [0, 600]}},
        ],
        "categories": [{"id": 5, "name": "tv"}],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return with_images(tmp_path)


def with_images(folder):
    (folder / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((20, 30, 3), 50, np.uint8)).save(folder / "images" / name)
    return folder


def make(folder, changed=None):
    path = folder / "annotations.json"
    path.write_text(json.dumps(changed or content()))
    return CocoInstances(str(path), str(folder / "images"))


def test_contract(folder):
    check_dataset(make(folder))


def test_images_come_in_the_order_of_their_ids(folder):
    assert [s.image_id for s in make(folder).samples()] == [2, 9]


def test_aliases_are_declared(folder):
    [category] = make(folder).categories
    assert "tvmonitor" in category.aliases


def test_crowds_are_kept_and_iscrowd_defaults_to_0(folder):
    assert [a["iscrowd"] for a in make(folder).ground_truth("instances")["annotations"]] == [0, 1]
    with pytest.raises(KeyError):
        make(folder).ground_truth("panoptic")


def test_the_digest_covers_annotations_and_images_but_not_where_they_lie(folder, tmp_path_factory):
    first = make(folder).digest
    moved = tmp_path_factory.mktemp("moved") / "copy"
    folder.rename(moved)
    assert CocoInstances(str(moved / "annotations.json"), str(moved / "images")).digest == first
    changed = content()
    changed["annotations"][0]["area"] = 17
    assert make(moved, changed).digest != first
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(moved / "images/a.png")
    assert make(moved).digest != first


def test_missing_images_are_named(folder):
    (folder / "images/b.png").unlink()
    with pytest.raises(DataError, match="1 of 2 images are missing: b.png"):
        make(folder)


def test_a_missing_folder_or_file_is_named(folder, tmp_path):
    with pytest.raises(DataError, match="no such folder or zip archive"):
        CocoInstances(str(folder / "annotations.json"), str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="cannot be read"):
        CocoInstances(str(tmp_path / "nowhere.json"), str(folder / "images"))


def test_problems_of_one_kind_are_one_line(folder):
    changed = content()
    changed["annotations"] = [
        {**changed["annotations"][0], "id": i, **({"area": -i} if i < 30 else {"bbox": [1, 2, i]})}
        for i in range(1, 50)
    ]
    with pytest.raises(DataError) as caught:
        make(folder, changed)
    first, second = caught.value.problems
    assert "annotation 1 (b.png): area -1 is negative (and 28 more of this kind)" in first
    assert "is not four finite numbers (and 19 more of this kind)" in second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"][0].update(height=0), "image 9 (b.png): height 0"),
        (lambda c: c["images"][0].update(id="9"), "images, id 9: `id` is '9', not a whole number"),
        (lambda c: c["images"][0].update(id=[1]), "images, id [1]: `id` is [1], not a whole number"),
        (lambda c: c["images"][0].update(file_name=3), "images, id 9: `file_name` is 3, not a text"),
        (lambda c: c["images"][0].update(id=-1), "images: the id -1 is out of range"),
        (lambda c: c["annotations"][0].update(id=-1), "annotations: the id -1 is out of range"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=[-5, 605]), "are not whole numbers from 0"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts="~~garbage"), "its RLE is broken"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=""), "cover 0 pixels"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=None), "neither a text nor a list"),
        (lambda c: c["annotations"][0].update(segmentation=[[0, 0, 1e9, 0, 1e9, 1e9]]), "far outside of every image"),
        (lambda c: c["images"][0].update(id=2**63), "images: the id 9223372036854775808 is out of range"),
        (lambda c: c["categories"][0].update(id=2**31), "categories: the id 2147483648 is out of range"),
        (lambda c: c["categories"][0].update(id=-1), "categories: the id -1 is out of range"),
        (lambda c: c["categories"].append({"id": 6, "name": "tv"}), "categories: the name `tv` is given twice"),
        (lambda c: c["categories"].append({"id": 5, "name": "x"}), "categories: the id 5 is given twice"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "is not four finite numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, float("nan")]), "is not four finite numbers"),
        (lambda c: c["annotations"][0].update(area="big"), "`area` is 'big', not a number"),
        (lambda c: c["annotations"][0].update(iscrowd=2), "iscrowd 2"),
        (lambda c: c["annotations"][0].update(segmentation=[]), "segmentation is empty"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "is not x y x y"),
        (lambda c: c["annotations"][0].update(segmentation=None), "neither polygons nor an RLE"),
        (lambda c: c["annotations"][1]["segmentation"].update(size=[30, 20]), "its mask has size [30, 20]"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=[5]), "its RLE counts sum to 5"),
    ],
)
def test_every_broken_annotation_is_named(change, message):
    changed = content()
    assert not list(structure_problems(changed)) and not list(annotation_problems(changed))
    change(changed)
    problems = [*structure_problems(changed), *annotation_problems(well_formed_items(changed))]
    assert any(message in problem for problem in problems), problems


def test_the_named_splits_and_ids_are_cocos(shared):
    file = shared / "data/coco-tiny/annotations/instances_val2017.json"
    shared_categories = json.loads(file.read_text())["categories"]
    assert len(VOC) == 20 and len(NON_VOC) == 60
    assert set(VOC) | set(NON_VOC) == {c["name"] for c in shared_categories}
    ids = {c["name"]: c["id"] for c in shared_categories}
    assert ids == IDS
    assert [ids[name] for name in VOC] == [1, 2, 3, 4, 5, 6, 7, 9, 16, 17, 18, 19, 20, 21, 44, 62, 63, 64, 67, 72]


def check(harness, images):
    return harness("datasets", "check", f"coco/instances,annotations=annotations.json,images={images}")


def test_check_names_every_broken_item_and_image(harness, folder):
    make(folder)
    harness.write("annotations.json", (folder / "annotations.json").read_text())
    done = check(harness, folder / "images")
    assert done.code == 0 and "wrong" not in done.out
    changed = content()
    changed["annotations"][0]["bbox"] = [1, 1, 40, 4]
    (folder / "images/a.png").write_bytes((folder / "images/a.png").read_bytes()[:50])
    Image.new("RGB", (31, 20)).save(folder / "images/b.png")
    harness.write("annotations.json", json.dumps(changed))
    done = check(harness, folder / "images")
    assert done.code == 1
    for message in ("annotation 1: bbox [1, 1, 40, 4] leaves its image", "a.png: cannot be decoded",
                    "b.png: holds uint8 (20, 31, 3)"):  # fmt: skip
        assert message in done.out
    changed["annotations"][0]["bbox"] = "wide"
    changed["categories"][0]["id"] = "5"
    changed["images"].append({"id": 10, "file_name": "c.png", "height": 20, "width": 30})
    harness.write("annotations.json", json.dumps(changed))
    done = check(harness, folder / "images")
    for message in ("`bbox` is 'wide', not a list", "`id` is '5', not a whole number"):
        assert done.out.count(message) == 1
    assert "Traceback" not in done.err
    harness.write("annotations.json", "{")
    assert check(harness, folder / "images").out.count("not JSON") == 1


def test_a_data_set_of_boxes_has_box_ap_alone(harness, folder):
    make(folder)
    changed = content()
    for annotation in changed["annotations"]:
        annotation["segmentation"] = []
    harness.write("annotations.json", json.dumps(changed))
    harness.write(
        "s.yaml",
        f"""
        segharness: 1
        models: [{{id: m, model: "./m.py:build"}}]
        datasets: [{{id: d, dataset: coco/instances, options: {{annotations: annotations.json, images: {folder}/images}}}}]
        conditions: [clean]
        """,
    )
    names = [c["name"] for c in changed["categories"]]
    harness.write(
        "m.py",
        f"""
        import numpy as np
        from segharness import Instances

        class Model:
            categories = {names}

            def predict(self, images, prompts=None):
                return [Instances(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros((0, *i.shape[:2]), bool))
                        for i in images]

        def build():
            return Model()
        """,
    )
    done = harness("run", "s.yaml", "--no-bootstrap", "--executor", "inline")
    assert done.code == 0, done.err
    rows = {
        row["task"]: row for row in harness.results("s").to_pylist() if row["metric"] == "AP" and not row["category"]
    }
    assert rows["bbox"]["value"] == 0 and rows["segm"]["value"] is None
    assert rows["segm"]["reason"] == "the data set annotates boxes, not masks"


def test_masks_for_some_annotations_only_are_a_mistake(folder):
    changed = content()
    changed["annotations"][0]["segmentation"] = []
    with pytest.raises(DataError, match="1 object has no mask of at least three points, and others have one"):
        make(folder, changed)
    del changed["annotations"][0]["segmentation"]
    with pytest.raises(DataError, match="1 object has no mask of at least three points, and others have one"):
        make(folder, changed)


def test_images_in_an_archive_are_the_same_data(folder, tmp_path):
    plain = make(folder)
    zipped(folder / "images", tmp_path / "images.zip")
    found = CocoInstances(str(folder / "annotations.json"), str(tmp_path / "images.zip"))
    assert found.digest == plain.digest
    check_dataset(found)


def laid_out(root, split="val2017"):
    """Lay the small set out as COCO ships it."""
    (root / "annotations").mkdir(parents=True)
    make(with_images(root))
    (root / "images").rename(root / split)
    (root / "annotations.json").rename(root / f"annotations/instances_{split}.json")


def test_coco_2017_and_the_domains_of_coco_o_are_found_under_their_roots(tmp_path):
    laid_out(tmp_path / "coco")
    laid_out(tmp_path / "ood/sketch")
    found = Coco2017(str(tmp_path / "coco"))
    check_dataset(found)
    assert CocoO(str(tmp_path / "ood"), "sketch").digest == found.digest
    with pytest.raises(DataError, match=r"no annotations/instances_train2017\.json; .segharness datasets coco/2017"):
        Coco2017(str(tmp_path / "coco"), "train2017")
    with pytest.raises(DataError, match=r"no tattoo/annotations/instances_val2017\.json"):
        CocoO(str(tmp_path / "ood"), "tattoo")
    zipped(tmp_path / "coco/annotations", tmp_path / "coco/annotations_trainval2017.zip")
    zipped(tmp_path / "coco/val2017", tmp_path / "coco/val2017.zip")
    assert Coco2017(str(tmp_path / "coco")).digest == found.digest
    zipped(tmp_path / "ood/sketch", tmp_path / "ood/ood_coco.zip", "ood_coco/")
    assert CocoO(str(tmp_path / "ood"), "sketch").digest == found.digest


def test_lvis_takes_names_of_images_from_their_address(tmp_path):
    laid_out(tmp_path / "coco")
    changed = content()
    for image in changed["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/val2017/{image.pop('file_name')}"
        image.update(neg_category_ids=[5], not_exhaustive_category_ids=[])
    for category in changed["categories"]:
        category.update(frequency="r", synonyms=["other", category["name"]])
    for annotation in changed["annotations"]:
        annotation.pop("iscrowd", None)
    (tmp_path / "lvis").mkdir()
    (tmp_path / "lvis/lvis_v1_val.json").write_text(json.dumps(changed))
    found = LvisV1(str(tmp_path / "lvis"), images=str(tmp_path / "coco"))
    check_dataset(found)
    assert "other" in found.categories[0].aliases
    images = found.ground_truth("instances")["images"]
    assert all("neg_category_ids" in image for image in images)
    changed["images"][0]["neg_category_ids"] = ["a"]
    changed["categories"][0]["frequency"] = "often"
    (tmp_path / "lvis/lvis_v1_val.json").write_text(json.dumps(changed))
    with pytest.raises(DataError) as raised:
        LvisV1(str(tmp_path / "lvis"), images=str(tmp_path / "coco"))
    assert "`neg_category_ids` is ['a']" in str(raised.value) and "`frequency` is 'often'" in str(raised.value)
    del changed["images"][0]["coco_url"]
    (tmp_path / "lvis/lvis_v1_val.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match="image 9 has no `coco_url`"):
        LvisV1(str(tmp_path / "lvis"), images=str(tmp_path / "coco"))
    changed["images"][0]["coco_url"] = "http://images.cocodataset.org/val2017/b.png"
    changed["images"][0]["neg_category_ids"], changed["categories"][0]["frequency"] = [], "r"
    (tmp_path / "lvis/lvis_v1_val.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match="images are missing"):
        LvisV1(str(tmp_path / "lvis"))
    with zipfile.ZipFile(tmp_path / "lvis/lvis_v1_val.json.zip", "w") as opened:
        opened.write(tmp_path / "lvis/lvis_v1_val.json", "lvis_v1_val.json")
    (tmp_path / "lvis/lvis_v1_val.json").unlink()
    zipped(tmp_path / "coco/val2017", tmp_path / "coco/val2017.zip")
    check_dataset(LvisV1(str(tmp_path / "lvis"), images=str(tmp_path / "coco")))
