"""BDD100K as it is shipped: bitmasks and RLEs, crowds and ignored regions, and every way in which a tree can be wrong."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segharness import DataError
from segharness.testing import check_dataset
from segharness_bdd100k.dataset import Bdd100kInstances

from tests.streets import scene, write_bdd100k, zipped


def scenes():
    car, rider, crowd, ignored = (np.zeros((20, 30), bool) for _ in range(4))
    car[2:10, 2:12] = True
    rider[4:14, 8:12] = True
    crowd[2:6, 20:30] = True
    ignored[10:, 20:] = True
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    objects = [
        ("car", "instance", car),
        ("rider", "instance", rider),
        ("person", "group", crowd),
        ("car", "void", ignored),
    ]
    return {"b": scene(pixels, objects), "a": scene(pixels[::-1].copy(), [])}


@pytest.fixture(params=["bitmasks", "rles"])
def form(request):
    return request.param


@pytest.fixture
def root(tmp_path, form):
    write_bdd100k(tmp_path, scenes(), form=form, first=255)
    return tmp_path


def test_what_was_written_is_read_in_both_forms(root, form):
    found = Bdd100kInstances(str(root), form=form)
    check_dataset(found)
    assert [str(s) for s in found.samples()] == ["a", "b"]
    truth = found.ground_truth("instances")
    assert [(a["image_id"], a["category_id"], a["iscrowd"], a["area"]) for a in truth["annotations"]] == [
        (2, 3, 0, 80 - 24),
        (2, 2, 0, 40),
        (2, 1, 1, 40),
        (2, 3, 1, 100),  # to be ignored: as a crowd
    ]
    assert truth["annotations"][1]["bbox"] == [8, 4, 4, 10]
    assert rle.decode(truth["annotations"][2]["segmentation"])[2:6, 20:30].all()


def test_both_forms_are_one_ground_truth(tmp_path):
    truths = []
    for form in ("bitmasks", "rles"):
        write_bdd100k(tmp_path / form, scenes(), form=form)
        truths.append(Bdd100kInstances(str(tmp_path / form), form=form).ground_truth("instances"))
    assert truths[0] == truths[1]


def test_archives_with_their_own_top_folder_are_read(root, form):
    expected = Bdd100kInstances(str(root), form=form).digest
    zipped(root / "images", root / "bdd100k_images_10k.zip", "bdd100k/")
    zipped(root / "labels", root / "bdd100k_ins_seg_labels_trainval.zip", "bdd100k/")
    found = Bdd100kInstances(str(root), form=form)
    assert found.digest == expected
    check_dataset(found)


def test_a_folder_bdd100k_in_the_root_will_do(root, form):
    expected = Bdd100kInstances(str(root), form=form).digest
    (root / "bdd100k").mkdir()
    for name in ("images", "labels"):
        (root / name).rename(root / "bdd100k" / name)
    assert Bdd100kInstances(str(root), form=form).digest == expected


def broken(root, message, form="bitmasks"):
    with pytest.raises(DataError) as raised:
        Bdd100kInstances(str(root), form=form)
    assert message in "\n".join(raised.value.problems)


@pytest.fixture
def bitmask(tmp_path):
    """The bitmask of `b`, to be spoiled."""
    write_bdd100k(tmp_path, scenes())
    return tmp_path / "labels/ins_seg/bitmasks/val/b.png"


def test_a_bitmask_of_another_kind_is_named(bitmask, tmp_path):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(bitmask)
    broken(tmp_path, f"{bitmask}: its pixels are RGB: bitmasks are RGBA")
    Image.fromarray(np.zeros((20, 31, 4), np.uint8)).save(bitmask)
    broken(tmp_path, "is 20x31, its image 20x30")


def test_an_instance_of_two_categories_is_named(bitmask, tmp_path):
    pixels = np.asarray(Image.open(bitmask)).copy()
    pixels[3, 3, 0] = 4
    Image.fromarray(pixels).save(bitmask)
    broken(tmp_path, "instance 1 has several categories or attributes")
    pixels[..., 0] = 9
    Image.fromarray(pixels).save(bitmask)
    broken(tmp_path, "has the category 9, not one of 1 to 8")


def test_missing_files_are_named(bitmask, tmp_path):
    bitmask.unlink()
    broken(tmp_path, "no annotation for 1 of 2 files")
    shutil.rmtree(tmp_path / "labels")
    broken(tmp_path, "no labels/ins_seg/bitmasks/val/*.png")
    broken(tmp_path, "no labels/ins_seg/rles/ins_seg_val.json", "rles")
    broken(tmp_path, "`form` is 'polygons', not bitmasks or rles", "polygons")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.clear(), "nor an object with the key `frames`"),
        (lambda c: c["frames"].append({}), "a frame has no name"),
        (lambda c: c["frames"].append({"name": "z.jpg"}), "no image z.jpg"),
        (lambda c: c["frames"].append({"name": "b.jpg"}), "b.jpg is described twice"),
        (lambda c: c["frames"][0].update(labels={}), "b.jpg: `labels` is not a list"),
        (lambda c: c["frames"][0]["labels"][0].update(category="tree"), "label 1 has the category 'tree'"),
        (lambda c: c["frames"][0]["labels"][0].update(category=["car"]), "label 1 has the category ['car']"),
        (lambda c: c["frames"][0]["labels"][0].update(attributes={"crowd": "false"}), "crowd and ignored are"),
        (lambda c: c["frames"][0]["labels"][0]["rle"].update(size=[10**9, 10**9]), "label 1 has no `rle`"),
        (lambda c: c["frames"][0]["labels"][0].pop("rle"), "label 1 has no `rle`"),
        (
            lambda c: c["frames"][0]["labels"][0]["rle"].update(counts=[1]),
            "label 1: a broken RLE: its runs do not cover",
        ),
        (lambda c: c["frames"][0]["labels"][0]["rle"].update(counts="~~"), "label 1: a broken RLE"),
        (
            lambda c: c["frames"][0]["labels"][0].update(rle={"size": [1, 1], "counts": [1]}),
            "the RLE of label 1 is 1x1, the image 20x30",
        ),
    ],
)
def test_what_is_broken_in_the_json_is_named(tmp_path, change, message):
    write_bdd100k(tmp_path, scenes(), form="rles")
    file = tmp_path / "labels/ins_seg/rles/ins_seg_val.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    broken(tmp_path, message, "rles")


def test_images_without_a_frame_are_named(tmp_path):
    write_bdd100k(tmp_path, scenes(), form="rles")
    file = tmp_path / "labels/ins_seg/rles/ins_seg_val.json"
    file.write_text(json.dumps([f for f in json.loads(file.read_text())["frames"] if f["name"] == "a.jpg"]))
    broken(tmp_path, "no frame for 1 of 2 images, first b", "rles")


def test_the_json_is_read_once(tmp_path, monkeypatch):
    write_bdd100k(tmp_path, scenes(), form="rles")
    first = Bdd100kInstances(str(tmp_path), form="rles")
    monkeypatch.setattr("segharness_bdd100k.rles.json.loads", None)
    again = Bdd100kInstances(str(tmp_path), form="rles")
    assert again.ground_truth("instances") == first.ground_truth("instances")


def test_two_images_of_one_name_are_named(tmp_path):
    write_bdd100k(tmp_path, scenes())
    (tmp_path / "images/10k/val/a.jpg").write_bytes(b"")
    broken(tmp_path, "a second file of the name a, beside")


@pytest.mark.shared
def test_the_samples_expected_arrays_are_met(shared, tmp_path):
    sample = shared / "data/bdd100k-sample"
    for folder, name in (("images/10k/val", "frame.png"), ("labels/ins_seg/bitmasks/val", "frame.png")):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copyfile(sample / "example_bitmask.png", tmp_path / folder / name)
    found = Bdd100kInstances(str(tmp_path))
    annotations = found.ground_truth("instances")["annotations"]
    masks, ids, attributes, categories = (
        np.load(sample / f"gt_{name}.npy") for name in ("masks", "ins_ids", "attrs", "cat_ids")
    )
    regions = [region for entry in found._index._regions_by_image() for region in entry]
    assert [region["number"] for region in regions] == ids.tolist()
    assert [a["category_id"] for a in annotations] == categories.tolist()
    assert [bool(a["iscrowd"]) for a in annotations] == [bool(v & 3) for v in attributes.tolist()]
    drawn = np.zeros(masks.shape, masks.dtype)
    for position, annotation in enumerate(annotations, 1):
        drawn[rle.decode(annotation["segmentation"]).astype(bool)] = position
    assert np.array_equal(drawn, masks)
