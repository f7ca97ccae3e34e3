"""Cityscapes as it is shipped: instances, groups, void, and every way in which a tree can be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segharness import DataError
from segharness.testing import check_dataset
from segharness_cityscapes.dataset import AVERAGE_AREAS, CityscapesInstances, CityscapesPanoptic

from tests import panoptic_oracle
from tests.streets import scene, write_cityscapes, zipped

NAMES = ("bonn_000001_000019", "aachen_000000_000019")


@pytest.fixture
def root(tmp_path):
    """Two frames: a car behind a person, a group of cars, a region that is void; and one without anything."""
    first = np.zeros((16, 32), bool)
    car, person, group, void = (first.copy() for _ in range(4))
    car[2:10, 2:12] = True
    person[4:14, 8:12] = True
    group[2:6, 20:30] = True
    void[10:16, 20:32] = True
    pixels = np.arange(16 * 32 * 3, dtype=np.uint8).reshape(16, 32, 3)
    objects = [("car", "instance", car), ("person", "instance", person), ("car", "group", group), ("", "void", void)]
    write_cityscapes(tmp_path, {NAMES[0]: scene(pixels, objects), NAMES[1]: scene(pixels[::-1].copy(), [])})
    return tmp_path


def labels(root, name):
    return root / f"gtFine/val/{name.split('_')[0]}/{name}_gtFine_instanceIds.png"


def decoded(annotation):
    return rle.decode(annotation["segmentation"]).astype(bool)


def test_instances_groups_and_void_are_what_was_written(root):
    found = CityscapesInstances(str(root))
    check_dataset(found)
    assert [str(s) for s in found.samples()] == ["aachen/aachen_000000_000019", "bonn/bonn_000001_000019"]
    truth = found.ground_truth("instances")
    by = {(a["category_id"], a["iscrowd"]): a for a in truth["annotations"]}
    assert set(by) == {(24, 0), (26, 1), (26, 0)} and all(a["image_id"] == 2 for a in truth["annotations"])
    assert by[24, 0]["area"] == 40 and by[24, 0]["bbox"] == [8, 4, 4, 10]
    assert by[26, 0]["area"] == 80 - 24  # the person stands before it
    assert by[26, 1]["area"] == 40
    [void] = found.ground_truth("void")["annotations"]
    assert void["area"] == 72 and decoded(void)[10:, 20:].all()
    with pytest.raises(KeyError):
        found.ground_truth("panoptic")


def test_every_class_and_what_is_none(root):
    values = np.full((16, 32), 7)
    for column, (value, _) in enumerate(
        [(24000, 24), (25001, 25), (26002, 26), (27, 27), (28999, 28), (31000, 31), (32000, 32), (33000, 33)]
    ):
        values[:, column] = value
    values[:, 20] = 29001  # a single caravan: of no class, and not void
    values[:, 21] = 30  # a group of trailers: void
    values[:, 22] = 0
    Image.fromarray(values.astype(np.uint16)).save(labels(root, NAMES[0]))
    found = CityscapesInstances(str(root))
    got = [(a["category_id"], a["iscrowd"]) for a in found.ground_truth("instances")["annotations"]]
    assert sorted(got) == [(24, 0), (25, 0), (26, 0), (27, 1), (28, 0), (31, 0), (32, 0), (33, 0)]
    [void] = found.ground_truth("void")["annotations"]
    assert np.flatnonzero(decoded(void).any(axis=0)).tolist() == [21, 22]


def test_more_than_255_instances(root):
    values = np.full((16, 32), 7)
    values.ravel()[:300] = 26000 + np.arange(300)
    Image.fromarray(values.astype(np.uint16)).save(labels(root, NAMES[0]))
    assert len(CityscapesInstances(str(root)).ground_truth("instances")["annotations"]) == 300


def test_zip_archives_are_the_same_data(root, tmp_path_factory):
    plain = CityscapesInstances(str(root))
    expected = plain.digest, plain.ground_truth("instances")
    zipped(root / "leftImg8bit", root / "leftImg8bit_trainvaltest.zip")
    zipped(root / "gtFine", root / "gtFine_trainvaltest.zip")
    found = CityscapesInstances(str(root))
    assert (found.digest, found.ground_truth("instances")) == expected
    check_dataset(found)


def test_stray_files_are_not_looked_at(root):
    before = CityscapesInstances(str(root)).digest
    for name in ("bonn/Thumbs.db", "bonn/bonn_000001_000019_gtFine_color.png", "README"):
        (root / "gtFine/val" / name).write_text("stray")
    (root / "leftImg8bit/val/.DS_Store").write_text("stray")
    assert CityscapesInstances(str(root)).digest == before


def test_the_digest_follows_the_annotations_and_the_images(root):
    digests = {CityscapesInstances(str(root)).digest}
    values = np.asarray(Image.open(labels(root, NAMES[0]))).copy()
    values[0, 0] = 26005
    Image.fromarray(values).save(labels(root, NAMES[0]))
    digests.add(CityscapesInstances(str(root)).digest)
    image = root / f"leftImg8bit/val/bonn/{NAMES[0]}_leftImg8bit.png"
    Image.fromarray(np.zeros((16, 32, 3), np.uint8)).save(image)
    digests.add(CityscapesInstances(str(root)).digest)
    assert len(digests) == 3


def broken(root, message):
    with pytest.raises(DataError) as raised:
        CityscapesInstances(str(root))
    assert message in "\n".join(raised.value.problems)


def test_a_map_of_8_bits_is_named(root):
    Image.fromarray(np.zeros((16, 32), np.uint8)).save(labels(root, NAMES[0]))
    broken(root, f"{NAMES[0]}_gtFine_instanceIds.png: its pixels are L: instance maps have 16 bits a pixel")


@pytest.mark.parametrize("value", [34, 255, 999, 23000, 34000, 60000])
def test_a_value_of_no_class_is_named(root, value):
    values = np.asarray(Image.open(labels(root, NAMES[0]))).copy()
    values[0, 0] = value
    Image.fromarray(values).save(labels(root, NAMES[0]))
    broken(root, f"{NAMES[0]}_gtFine_instanceIds.png: the value {value} is of no class")


def test_missing_counterparts_are_named(root):
    labels(root, NAMES[0]).unlink()
    broken(root, f"no annotation for 1 of 2 files: {root}/leftImg8bit/val/bonn/{NAMES[0]}_leftImg8bit.png")
    (root / f"leftImg8bit/val/bonn/{NAMES[0]}_leftImg8bit.png").rename(root / "elsewhere.png")
    assert len(CityscapesInstances(str(root)).samples()) == 1
    (root / f"leftImg8bit/val/aachen/{NAMES[1]}_leftImg8bit.png").unlink()
    broken(root, "no leftImg8bit/val/CITY/*_leftImg8bit.png")


def test_a_map_of_another_size_is_named(root):
    Image.fromarray(np.zeros((16, 30), np.uint16)).save(labels(root, NAMES[0]))
    broken(root, "is 16x30, its image 16x32")


def test_damaged_files_are_named(root):
    path = labels(root, NAMES[0])
    path.write_bytes(path.read_bytes()[:-20])
    broken(root, f"{path}: cannot be decoded")
    path.write_bytes(b"")
    broken(root, f"{path}: cannot be decoded")


def test_an_unknown_split_lists_those_that_are_there(root):
    with pytest.raises(DataError, match=r"no leftImg8bit/vall.*in leftImg8bit/ there is val"):
        CityscapesInstances(str(root), "vall")


def test_segments_are_things_groups_and_stuff_and_void_is_none(root):
    found = CityscapesPanoptic(str(root))
    check_dataset(found)
    truth = found.ground_truth("panoptic")
    assert len(truth["categories"]) == 19 and sum(c["isthing"] for c in truth["categories"]) == 8
    assert {c["name"]: c.get("average_area") for c in truth["categories"] if c["isthing"]} == AVERAGE_AREAS
    by = {(a["category_id"], a["iscrowd"]): a["area"] for a in truth["annotations"] if a["image_id"] == 2}
    road = 16 * 32 - 40 - (80 - 24) - 40 - 72
    assert by == {(24, 0): 40, (26, 0): 80 - 24, (26, 1): 40, (7, 0): road}  # stuff is never a crowd
    masks = np.stack([decoded(a) for a in truth["annotations"] if a["image_id"] == 2])
    [void] = found.ground_truth("void")["annotations"]
    assert ((masks.sum(axis=0) == 1) == ~decoded(void)).all()
    things = found.ground_truth("instances")
    assert [c["name"] for c in things["categories"]][:2] == ["person", "rider"]
    same = CityscapesInstances(str(root)).ground_truth("instances")["annotations"]
    assert [(a["category_id"], a["segmentation"]) for a in things["annotations"]] == [
        (a["category_id"], a["segmentation"]) for a in same
    ]
    assert found.digest != CityscapesInstances(str(root)).digest


def test_a_perfect_oracle_has_pq_and_iou_1_and_a_damaged_one_what_the_definition_says(harness, root):
    model = f'"{panoptic_oracle.__file__}:oracle"'
    given = f'dataset: "segharness_cityscapes.dataset:CityscapesPanoptic", given: {{root: "{root}"}}'
    harness.write(
        "s.yaml",
        f"""segharness: 1
name: s
models:
  - {{id: perfect, model: {model}, options: {{{given}}}}}
  - {{id: damaged, model: {model}, options: {{{given}, cut: 8}}}}
datasets: [{{id: streets, dataset: cityscapes/panoptic, options: {{root: "{root}"}}}}]
conditions: [clean]
scoring: {{tasks: [panoptic, semantic], metrics: [panoptic, semantic]}}
""",
    )
    done = harness("run", "s.yaml", "--no-bootstrap")
    assert done.code == 0, done.err
    rows = harness.results("s").to_pylist()
    numbers = {(r["model"], r["metric"], r["category"]): r["value"] for r in rows}
    for metric in ("PQ", "PQ_th", "PQ_st", "mIoU", "iIoU"):
        assert numbers["perfect", metric, None] == 1.0, metric
    iou_of, pixels = {24: [], 26: [], 7: []}, {24: [0, 0], 26: [0, 0], 7: [0, 0]}
    for annotation in CityscapesPanoptic(str(root)).ground_truth("panoptic")["annotations"]:
        if not annotation["iscrowd"]:
            mask = decoded(annotation)
            left = mask[:, 32 // 8 :].sum()
            iou_of[annotation["category_id"]].append(left / mask.sum())
            pixels[annotation["category_id"]][0] += left
            pixels[annotation["category_id"]][1] += mask.sum()
    assert all(iou > 0.5 for ious in iou_of.values() for iou in ious)  # each is a match, so PQ is their mean
    for id, name in ((24, "person"), (26, "car"), (7, "road")):
        assert numbers["damaged", "PQ", name] == pytest.approx(np.mean(iou_of[id]), abs=1e-12)
    assert numbers["damaged", "PQ", None] == pytest.approx(np.mean([np.mean(v) for v in iou_of.values()]), abs=1e-12)
    of_road = pixels[7][0] / pixels[7][1]
    assert numbers["damaged", "mIoU", "road"] == pytest.approx(of_road, abs=1e-12)
