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
    done = harness("sheet", "toycells/quick", "--count", "64", "--width", "2000", "--columns", "1", "-o", "sheet.png")
    assert done.code == 4 and "the sheet would be too tall; give more --columns" in done.err
