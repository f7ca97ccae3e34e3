"""``coco/panoptic``: segments from colours, and every mistake of the format."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segharness import DataError
from segharness.testing import check_dataset
from segharness_coco.panoptic import CocoPanoptic


def write(folder, change=lambda content: None, ids=None):
    ids = np.zeros((8, 10), int) if ids is None else ids
    ids[1:4, 1:5] = 1000
    ids[5:, :] = 66051  # 3 + 2 * 256 + 1 * 65536
    content = {
        "images": [{"id": 5, "file_name": "5.jpg", "height": 8, "width": 10}],
        "annotations": [
            {
                "image_id": 5,
                "file_name": "5.png",
                "segments_info": [
                    {"id": 1000, "category_id": 1, "iscrowd": 0, "area": 12, "bbox": [1, 1, 4, 3]},
                    {"id": 66051, "category_id": 9, "iscrowd": 0, "area": 30, "bbox": [0, 5, 10, 3]},
                ],
            }
        ],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}, {"id": 9, "name": "grass", "isthing": 0}],
    }
    change(content)
    (folder / "panoptic").mkdir(exist_ok=True)
    colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
    Image.fromarray(colours).save(folder / "panoptic/5.png")
    Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(folder / "5.jpg")
    (folder / "panoptic.json").write_text(json.dumps(content))
    return str(folder / "panoptic.json")


def segments(content):
    return content["annotations"][0]["segments_info"]


def test_segments_are_read_from_their_colours(tmp_path):
    data = CocoPanoptic(write(tmp_path), images=str(tmp_path))
    check_dataset(data)
    cat, grass = data.ground_truth("panoptic")["annotations"]
    assert (cat["category_id"], cat["area"], cat["bbox"]) == (1, 12.0, [1, 1, 4, 3])
    assert rle.decode(grass["segmentation"])[5:].all() and grass["area"] == 30.0
    [thing] = data.ground_truth("instances")["annotations"]
    assert thing["category_id"] == 1 and [c["name"] for c in data.ground_truth("instances")["categories"]] == ["cat"]
    with pytest.raises(KeyError):
        data.ground_truth("void")


def test_the_digest_knows_the_files(tmp_path):
    first = CocoPanoptic(write(tmp_path)).digest
    assert CocoPanoptic(write(tmp_path)).digest == first
    assert CocoPanoptic(write(tmp_path, lambda c: c["categories"][0].update(name="dog"))).digest != first


def test_real_segments_are_the_same_by_both_formats(shared):
    folder = shared / "data/panoptic-sample"
    found = CocoPanoptic(str(folder / "panoptic_examples.json")).ground_truth("panoptic")["annotations"]
    other = json.loads((folder / "panoptic_coco_detection_format.json").read_text())["annotations"]

    def key(a):
        counts = a["segmentation"]["counts"]
        return a["image_id"], a["category_id"], counts if isinstance(counts, str) else counts.decode()

    assert sorted(map(key, found)) == sorted(map(key, other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("categories"), "the key `categories` is missing"),
        (lambda c: c["categories"][0].pop("isthing"), "categories, id 1: lacks `isthing`"),
        (lambda c: c["images"][0].update(height="8"), "images, id 5: `height` is '8', not a whole number"),
        (lambda c: c["images"][0].update(height=-8), "image 5: height -8, width 10"),
        (lambda c: c["annotations"][0].update(image_id=6), "annotation of image 6: its image is not in the file"),
        (lambda c: c["annotations"].clear(), "image 5 has no annotation"),
        (lambda c: c["annotations"].append(c["annotations"][0]), "annotations: the image_id 5 is given 2 times"),
        (lambda c: c["categories"].append(c["categories"][0]), "categories: the id 1 is given 2 times"),
        (lambda c: segments(c).append(segments(c)[0]), "annotation 5.png: segment 1000 is given 2 times"),
        (lambda c: segments(c)[0].update(category_id=4), "segment 1000: its category 4 is not in the file"),
        (lambda c: segments(c)[0].update(iscrowd="yes"), "segment 1000: iscrowd 'yes' is neither 0 nor 1"),
        (
            lambda c: segments(c)[0].update(id=[1]),
            "segments_info, id [1]: `id` is [1], not a whole number",
        ),
        (lambda c: segments(c)[0].pop("id"), "annotation 5.png: segments_info, number 0: lacks `id`"),
        (lambda c: c["annotations"][0].update(file_name="6.png"), "1 PNG files are missing, first 6.png"),
    ],
)
def test_broken_files_are_said_when_it_is_opened(tmp_path, change, message):
    with pytest.raises(DataError) as caught:
        CocoPanoptic(write(tmp_path, change))
    assert message in str(caught.value)


def test_segments_that_are_not_both_drawn_and_declared_are_said(tmp_path):
    ids = np.zeros((8, 10), int)
    ids[0, 9] = 77
    with pytest.raises(DataError, match="5.png: segment 77 is in the PNG file alone"):
        CocoPanoptic(write(tmp_path, ids=ids)).ground_truth("panoptic")
    gone = write(tmp_path, lambda c: c["annotations"][0]["segments_info"].append({"id": 8, "category_id": 1}))
    with pytest.raises(DataError, match="segment 8 is in the JSON file alone"):
        CocoPanoptic(gone).ground_truth("panoptic")


def test_an_orientation_is_chosen_and_part_of_the_digest(tmp_path):
    from segharness.images.decode import decode

    file = write(tmp_path)
    upright = np.arange(240, dtype=np.uint8).reshape(8, 10, 3)
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    Image.fromarray(upright[::-1, ::-1].copy()).save(tmp_path / "5.jpg", "PNG", exif=exif)
    digests = set()
    for orientation, expected in ((None, upright[::-1, ::-1]), ("stored", upright[::-1, ::-1]), ("apply", upright)):
        data = CocoPanoptic(file, images=str(tmp_path), orientation=orientation)
        assert np.array_equal(decode(data.samples()[0]), expected)
        digests.add(data.digest)
    assert len(digests) == 3 and CocoPanoptic(file, images=str(tmp_path)).digest in digests
