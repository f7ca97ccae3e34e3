"""Mapillary Vistas as it is shipped: layouts, segments, names, and every way in which a tree can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segharness import DataError
from segharness.testing import check_dataset
from segharness_mapillary.dataset import MapillaryVistas
from segharness_mapillary.names import ShippedCategory, named_categories

from tests import vistas

FORMS = [("old", "v1.2"), ("new", "v1.2"), ("new", "v2.0")]


def decoded(annotation):
    return rle.decode(annotation["segmentation"]).astype(bool)


def panoptic(root):
    return root / "validation/v1.2/panoptic"


@pytest.mark.parametrize("longest_side", [None, 32, 100])
@pytest.mark.parametrize("layout, version", FORMS)
def test_every_layout_is_read_unpacked_and_zipped(tmp_path, layout, version, longest_side):
    root = vistas.write(tmp_path / "root", layout, version)
    found = MapillaryVistas(str(root), version=version, longest_side=longest_side)
    check_dataset(found)
    archive = vistas.zipped(root, tmp_path / "zips", version)
    again = MapillaryVistas(str(archive), version=version, longest_side=longest_side)
    check_dataset(again)
    assert (again.digest, again.ground_truth("panoptic")) == (found.digest, found.ground_truth("panoptic"))
    itself = MapillaryVistas(str(next(archive.iterdir())), version=version, longest_side=longest_side)
    assert itself.digest == found.digest


def test_segments_are_those_of_the_colours_and_void_has_none(tmp_path):
    found = MapillaryVistas(str(vistas.write(tmp_path)))
    truth = found.ground_truth("panoptic")
    assert [str(s) for s in found.samples()] == ["-wide_1.jpg", "a-high.jpg"]
    assert [(s.image_id, s.height, s.width) for s in found.samples()] == [(1, 30, 64), (2, 20, 12)]
    for image_id, ids in enumerate(vistas.scenes().values(), 1):
        mine = {a["category_id"]: decoded(a) for a in truth["annotations"] if a["image_id"] == image_id}
        for segment in set(ids.ravel().tolist()) - {0}:
            assert (mine.pop(vistas.CATEGORY_OF[segment]) == (ids == segment)).all()
        assert not mine
    assert found.notes == []


def test_the_things_are_the_instances(tmp_path):
    found = MapillaryVistas(str(vistas.write(tmp_path)))
    truth, things = found.ground_truth("panoptic"), found.ground_truth("instances")
    assert {c["name"]: c["isthing"] for c in truth["categories"]}["construction--flat--road"] == 0
    assert [c["id"] for c in things["categories"]] == [20, 49, 56]
    assert things["annotations"] == [a for a in truth["annotations"] if a["category_id"] in (20, 49, 56)]
    with pytest.raises(KeyError):
        found.ground_truth("void")


def test_crowds_are_crowds(tmp_path):
    def change(content, labels):
        content["annotations"][0]["segments_info"][-1]["iscrowd"] = 1

    found = MapillaryVistas(str(vistas.write(tmp_path, change=change)))
    assert [a["category_id"] for a in found.ground_truth("instances")["annotations"] if a["iscrowd"]] == [49]


def test_what_the_config_does_not_evaluate_is_void(tmp_path):
    def change(content, labels):
        labels[0]["evaluate"] = False  # the road

    found = MapillaryVistas(str(vistas.write(tmp_path / "a", change=change)))
    check_dataset(found)
    truth = found.ground_truth("panoptic")
    assert 14 not in {c["id"] for c in truth["categories"]} | {a["category_id"] for a in truth["annotations"]}
    assert found.digest != MapillaryVistas(str(vistas.write(tmp_path / "b"))).digest


def test_the_digest_is_that_of_the_content(tmp_path):
    roots = [vistas.write(tmp_path / layout, layout) for layout in ("old", "new")]
    first, second = (MapillaryVistas(str(root)) for root in roots)
    assert first.digest == second.digest  # the same data in two layouts
    digests = {first.digest}
    digests |= {MapillaryVistas(str(roots[0]), longest_side=side).digest for side in (64, 32, 33)}
    image = roots[0] / "validation/images/a-high.jpg"
    Image.open(image).save(image, quality=40)
    digests.add(MapillaryVistas(str(roots[0])).digest)
    vistas.write(roots[1], change=lambda content, labels: content["categories"][3].update(isthing=0))
    digests.add(MapillaryVistas(str(roots[1])).digest)
    assert len(digests) == 6


@pytest.mark.parametrize("layout, version", FORMS)
def test_models_may_say_the_readable_name_and_the_last_part(tmp_path, layout, version):
    found = MapillaryVistas(str(vistas.write(tmp_path, layout, version)), version=version)
    names = {c.name: c.aliases for c in found.categories}
    assert names["object--vehicle--car"] == ("Car", "car")
    assert names["object--traffic-light"] == ("Traffic Light", "traffic-light", "traffic light")


def test_without_a_config_a_note_says_so(tmp_path):
    root = vistas.write(tmp_path, version="v2.0")
    (root / "config_v2.0.json").unlink()
    found = MapillaryVistas(str(root), version="v2.0")
    assert {c.name: c.aliases for c in found.categories}["object--vehicle--car"] == ("car",)
    assert len(found.notes) == 1 and "no config*.json" in found.notes[0]


def test_an_alias_means_one_category():
    names = {
        "object--vehicle--bicycle": "Bicycle",
        "marking--discrete--symbol--bicycle": "Lane Marking - Symbol (Bicycle)",
        "object--sign--back": "Signage - Back",
        "object--traffic-sign--back": "Traffic Sign (Back)",
        "human--person--individual": "Person",
        "object--vehicle--other-vehicle": "Other Vehicle",
        "construction--barrier--other-barrier": "Barrier",
    }
    shipped = [ShippedCategory(id, name, "", True) for id, name in enumerate(names)]
    aliases = {c.name: c.aliases for c in named_categories(shipped, names)}
    assert aliases["object--vehicle--bicycle"] == ("Bicycle", "bicycle")
    assert aliases["marking--discrete--symbol--bicycle"] == ("Lane Marking - Symbol (Bicycle)",)
    assert aliases["object--sign--back"] == ("Signage - Back",)
    assert aliases["human--person--individual"] == ("Person", "individual")
    assert aliases["object--vehicle--other-vehicle"] == ("Other Vehicle", "other-vehicle", "other vehicle")
    unread = {c.name: c.aliases for c in named_categories(shipped, {})}
    assert unread["object--vehicle--bicycle"] == unread["object--sign--back"] == ()
    everything = [alias.lower() for found in aliases.values() for alias in {a.lower() for a in found}]
    assert len(everything) == len(set(everything))


def broken(message, root, **options):
    with pytest.raises(DataError) as raised:
        MapillaryVistas(str(root), **options)
    assert message in "\n".join(raised.value.problems)


def test_wrong_options_are_named(tmp_path):
    root = vistas.write(tmp_path)
    broken("`split` is 'val', not training or validation", root, split="val")
    broken("`version` is 'v1.1', not v1.2 or v2.0", root, version="v1.1")
    for value in ("wide", "2000", 0, 2000.0, True):
        broken(f"`longest_side` is {value!r}, not a whole number from 1 to 16384", root, longest_side=value)


def test_another_version_or_split_says_what_is_there(tmp_path):
    root = vistas.write(tmp_path / "old", "old")
    broken("there is validation/panoptic/panoptic_2018.json: give `version: v1.2`", root, version="v2.0")
    other = vistas.write(tmp_path / "new", "new", "v2.0")
    broken("there is validation/v2.0/panoptic/panoptic_2020.json: give `version: v2.0`", other)
    broken(
        "no training/v1.2/panoptic/panoptic_2018.json nor training/panoptic/panoptic_2018.json", root, split="training"
    )
    broken("of folders there is validation", root, split="training")


def test_missing_files_are_named(tmp_path):
    root = vistas.write(tmp_path)
    (panoptic(root) / "a-high.png").unlink()
    broken("validation/v1.2/panoptic: 1 of 2 PNG files are missing: a-high.png", root)
    vistas.write(root)
    for image in (root / "validation/images").iterdir():
        image.unlink()
    broken("validation/images: 2 of 2 images are missing: -wide_1.jpg, a-high.jpg", root)


def test_pngs_that_are_not_the_jsons_are_named(tmp_path):
    root = vistas.write(tmp_path)
    png = panoptic(root) / "a-high.png"
    pixels = np.asarray(Image.open(png)).copy()
    pixels[0, 0] = (9, 0, 0)
    Image.fromarray(pixels).save(png)
    broken(f"{png}: segment 9 is in the PNG file alone", root)
    Image.fromarray(pixels[1:]).save(png)
    broken("is (19, 12), its image (20, 12)", root)
    Image.fromarray(pixels[..., 0]).save(png)
    broken("its colours are no segment ids", root)
    png.write_bytes(png.read_bytes()[:-30])
    broken(f"{png}: cannot be decoded", root)


MISTAKES = [
    (lambda c, _: c["annotations"].pop(), "image a-high has no annotation"),
    (lambda c, _: c["images"].pop(), "annotation of image a-high: its image is not in the file"),
    (lambda c, _: c["images"][0].update(id=5), "images, number 0: `id` is 5, not a text"),
    (lambda c, _: c["images"][0].update(width=0), "image -wide_1: height 30, width 0"),
    (lambda c, _: c.pop("categories"), "the key `categories` is missing"),
    (lambda c, _: c["categories"].append(c["categories"][0]), "categories: the id 14 is given 2 times"),
    (lambda c, _: c["categories"][0].update(supercategory="nature--sky"), "the name nature--sky is given twice"),
    (lambda c, _: c["annotations"][0]["segments_info"][0].update(category_id=7), "its category 7 is not in the file"),
    (lambda c, _: c["annotations"][0]["segments_info"][0].update(iscrowd=2), "iscrowd 2 is neither 0 nor 1"),
    (lambda c, _: c["annotations"][0]["segments_info"][0].pop("id"), "segments_info, number 0: `id` is missing"),
    (lambda c, _: c["annotations"][0]["segments_info"].pop(), "is in the PNG file alone"),
    (lambda _, labels: labels[0].pop("evaluate"), "labels, number 0: `evaluate` is missing"),
    (lambda _, labels: [label.update(evaluate=False) for label in labels], "no category is evaluated"),
]


@pytest.mark.parametrize("change, message", MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_of_the_json_files_are_named(tmp_path, change, message):
    broken(message, vistas.write(tmp_path, change=change))


def test_what_is_no_json_is_named(tmp_path):
    root = vistas.write(tmp_path)
    (panoptic(root) / "panoptic_2018.json").write_text("{")
    broken("panoptic_2018.json: not JSON", root)
    (panoptic(root) / "panoptic_2018.json").write_text(json.dumps([1]))
    broken("the key `images` is missing", root)


def test_the_command_line_shows_and_checks_it(harness):
    vistas.write(Path(harness.folder) / "data")
    shown = harness("datasets", "mapillary/vistas")
    assert "config_v1.2.json" in shown.out and "training: 18000" in shown.out
    done = harness("datasets", "check", "mapillary/vistas,split=validation,longest_side=16", "--root", "data")
    assert "2 images" in done.out and "wrong: 2 images; 2000 were published" in done.out, done.err
    assert "note: 1 of 8 segments have no pixel left at a longest side of 16; they are not annotated" in done.out
    done = harness("datasets", "check", "mapillary/vistas,longest_side=wide", "--root", "data")
    assert done.code == 4 and "is 'wide', not a whole number from 1 to 16384" in done.err
