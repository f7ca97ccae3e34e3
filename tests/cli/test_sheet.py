"""``segharness sheet``: a data set as a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


def test_a_sheet_shows_images_with_and_without_masks(harness, coco):
    done = harness("sheet", "coco/instances,annotations=coco/annotations.json,images=coco/images", "--count", "3",
                   "--first", "2", "--width", "160", "--columns", "2", "-o", "sheet.png")  # fmt: skip
    assert done.code == 0, done.err
    assert done.out == "sheet.png: 3 images, 338x584\n"
    sheet = np.asarray(Image.open(harness.folder / "sheet.png"))
    photo = np.asarray(Image.open(harness.folder / "coco/images/0002.png")).repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(sheet[24:152, 6:166], photo), "the plain picture, enlarged twice"
    drawn = sheet[158:286, 6:166]
    changed = (drawn != photo).any(axis=2)
    assert 0.05 < changed.mean() < 0.6, "the masks are drawn, the background is not"
    assert not changed[:4].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--first", "7"), "--first 7: coco/instances has 6 images"),
        (("--condition", "paper15"), "is 15 conditions; name one"),
        (("--condition", "frog"), "no corruption `frog` (did you mean `fog`?)"),
        (("--width", "9999"), "at most 2000 wide"),
        (("-o", "sheet.jpg"), "the sheet is a PNG; name it sheet.png"),
        (("-o", "."), "-o: give the sheet a name"),
    ],
)
def test_mistakes_about_a_sheet(harness, coco, arguments, message):
    data = "coco/instances,annotations=coco/annotations.json,images=coco/images"
    done = harness("sheet", data, "-o", "sheet.png", *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


def test_a_limit_of_the_data_set_holds(harness):
    done = harness("sheet", "toycells/quick,limit=3", "--first", "2", "-o", "sheet.png")
    assert done.code == 0 and done.out.startswith("sheet.png: 2 images"), done.err


def test_a_sheet_is_not_endless(harness):
    for columns in ("1", "64"):
        done = harness(
            "sheet", "toycells/quick", "--count", "64", "--width", "2000", "--columns", columns, "-o", "a.png"
        )
        assert done.code == 4 and "the sheet would be too large; give a smaller --count or --width" in done.err


PLUGIN = """
import numpy as np
from segharness import Category, DatasetSpec, Option, Sample, hookimpl


class Small:
    categories = (Category(1, "thing"),)
    digest = "small"

    def __init__(self, how):
        self.how = how
        if how == "raises":
            raise ValueError("no luck")
        if how == "exits":
            raise SystemExit(0)

    def samples(self):
        return [Sample(1, lambda: np.zeros((20, 30, 3), np.uint8), 20, 30, "one")]

    def ground_truth(self, kind):
        if self.how == "truth":
            raise RuntimeError("no truth")
        segmentation = {"size": {"size": [5, 5], "counts": "i0"}, "text": "abc", "short": [[1, 2]]}[self.how]
        annotation = {"id": 4, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0}
        return {
            "images": [{"id": 1, "height": 20, "width": 30}],
            "annotations": [{**annotation, "segmentation": segmentation}],
            "categories": [{"id": 1, "name": "thing"}],
        }


@hookimpl
def segharness_datasets():
    return [DatasetSpec("l/d", factory=Small, options={"how": Option("what is wrong")})]
"""


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", "data set `l-d`: plugin `l/d` raised ValueError: no luck"),
        ("exits", "data set `l-d`: plugin `l/d` raised SystemExit: 0"),
        ("truth", "data set `l/d`: its ground truth: RuntimeError: no truth"),
        ("size", "data set `l-d`: annotation 4 (image 1): its mask is 5x5, its image 20x30 (height x width)"),
        ("text", "data set `l-d`: annotation 4 (one): no segmentation that can be drawn"),
        ("short", "data set `l-d`: annotation 4 (one): no segmentation that can be drawn"),
    ],
)
def test_a_broken_data_set_is_named(harness, how, message):
    harness.write("segharness_plugins.py", PLUGIN)
    done = harness("sheet", "-p", "segharness_plugins", f"l/d,how={how}", "-o", "sheet.png")
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert not (harness.folder / "sheet.png").exists()
