"""Mistakes that cost AP and break no rule are said under the tables: of boxes, of labels, of doubled detections."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from segharness.data.open_dataset import OpenDataset
from segharness.records import Category, Sample
from segharness.score.observations import Observer
from segharness.suite import DatasetEntry

from tests.score.generated_datasets import as_predictions

HEIGHT, WIDTH = 120, 200
NAMES = ("cat", "dog", "cow")


class Data:
    """Six images with a cat, a dog and a cow each."""

    categories = tuple(Category(id, name) for id, name in zip((1, 5, 9), NAMES, strict=True))
    digest = "d"

    def samples(self):
        return [Sample(image_id, b"", HEIGHT, WIDTH) for image_id in range(1, 7)]

    def ground_truth(self, kind):
        return {
            "images": [{"id": i, "height": HEIGHT, "width": WIDTH} for i in range(1, 7)],
            "annotations": [
                {"id": 10 * i + k, "image_id": i, "category_id": category, "bbox": self.box(i, k), "area": 1.0, "iscrowd": 0,
                 "segmentation": []}
                for i in range(1, 7) for k, category in enumerate((1, 5, 9))
            ],
            "categories": [{"id": c.id, "name": c.name} for c in self.categories],
        }  # fmt: skip

    @staticmethod
    def box(image_id, place):
        return [10.0 + 60 * place + image_id, 20.0 + 5 * image_id, 40.0, 30.0]


def results(box=lambda x, y, w, h: [x, y, w, h], label=lambda place: place, masks=True, times=1, kept=(0, 1, 2)):
    """Detections of every object, written in some way, as a COCO result list."""
    from pycocotools import mask as rle

    found = []
    for image_id in range(1, 7):
        for place in kept:
            x, y, w, h = Data.box(image_id, place)
            result = {
                "image_id": image_id,
                "category_id": (1, 5, 9)[label(place)],
                "score": 0.9,
                "bbox": box(x, y, w, h),
            }
            if masks:
                mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
                mask[int(y) : int(y + h), int(x) : int(x + w)] = 1
                encoded = rle.encode(mask)
                result["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": encoded["counts"].decode()}
            found += [result] * times
    return found


def said(result_list):
    data = Data()
    opened = OpenDataset(DatasetEntry("d", "given"), data, data.samples())
    observer = Observer(opened)
    observer.look("m", as_predictions(result_list))
    return [text for model, text in observer.observations(opened.scored_ground_truth("instances"))]


@pytest.mark.parametrize("masks", [True, False])
def test_of_right_predictions_nothing_is_said(masks):
    assert said(results(masks=masks)) == []
    assert said(results(masks=masks, box=lambda x, y, w, h: [x + 3, y - 2, w * 0.8, h * 1.1])) == []


@pytest.mark.parametrize(
    ("box", "form"),
    [
        (lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT], "fractions of the image"),
        (lambda x, y, w, h: [x, y, x + w, y + h], "corners (x1, y1, x2, y2)"),
        (lambda x, y, w, h: [y, x, h, w], "x and y exchanged"),
    ],
)
def test_boxes_in_another_form_are_said_with_masks(box, form):
    [text] = said(results(box=box))
    assert form in text and "box AP means nothing" in text


@pytest.mark.parametrize(
    ("box", "form"),
    [
        (lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT], "look like fractions of the image"),
        (lambda x, y, w, h: [x, y, x + w, y + h], "of its boxes leave their images"),
        (lambda x, y, w, h: [y, x, h, w], "of its boxes leave their images"),
    ],
)
def test_boxes_in_another_form_are_said_without_masks(box, form):
    texts = said(results(box=box, masks=False))
    assert any(form in text for text in texts), texts


def test_boxes_of_something_else_are_said():
    [text] = said(results(box=lambda x, y, w, h: [150.0, 90.0, 5.0, 5.0]))
    assert "its boxes are not those of its masks (median IoU 0.00)" in text


def test_detections_that_are_there_twice_are_said():
    [text] = said(results(times=2))
    assert text == "36 of 36 detections are there twice or more: each costs a false positive"


@pytest.mark.parametrize("shift", [1, -1])
def test_shifted_labels_are_said(shift):
    """The category ids of the results begin at 0 where the data set's begin at 1, or the other way round."""
    kept = (0, 1) if shift == 1 else (1, 2)
    texts = said(results(label=lambda place: place + shift, kept=kept))
    side = "after" if shift == 1 else "before"
    assert any(
        f"its labels look shifted: 12 of 12 objects that it finds get the category 1 place {side}" in t for t in texts
    )


def test_categories_that_are_never_predicted_are_said():
    [text] = said(results(kept=(0, 2)))
    assert text.startswith("never predicts `dog`: 1 of 3 categories with ground truth, 33% of the instances")


def test_a_model_that_predicts_nothing_or_finds_nothing_is_told_so():
    assert said([]) == ["predicts nothing at all"]
    elsewhere = [{**result, "image_id": 1 + result["image_id"] % 6} for result in results(masks=False)]
    assert said([{**r, "bbox": [r["bbox"][0], 85, 9, 9]} for r in elsewhere]) == [
        "none of its first 18 detections overlaps an object of any category (IoU over .5)"
    ]


def test_masks_of_some_shards_alone_are_no_masks():
    """A stored shard has masks for all of its predictions or for none; the next one may have it the other way."""
    data = Data()
    opened = OpenDataset(DatasetEntry("d", "given"), data, data.samples())
    observer = Observer(opened)
    halves = [as_predictions(results(masks=masks, kept=kept)) for masks, kept in ((True, (0, 1)), (False, (2,)))]
    observer.look("m", pa.concat_tables(halves))
    assert list(observer.observations(opened.scored_ground_truth("instances"))) == []


def test_without_a_ground_truth_of_instances_the_boxes_are_looked_at():
    data = Data()
    observer = Observer(OpenDataset(DatasetEntry("d", "given"), data, data.samples()))
    observer.look("m", as_predictions(results(box=lambda x, y, w, h: [x, y, x + w, y + h], kept=(0,))))
    [(model, text)] = observer.observations(None)
    assert model == "m" and "corners (x1, y1, x2, y2)" in text


def test_they_stand_on_the_terminal_in_the_manifest_and_under_the_table(small):
    small.write("solver.py", (small.folder / "solver.py").read_text().replace('"disc", "square"]', '"disc", "puppy"]'))
    done = small("run", "small.yaml", "--no-bootstrap", "-k", "clean")
    assert done.code == 0 and done.out.count("good: never predicts `square`: 1 of 2 categories with ground truth") == 2
    content = small.results("small")
    import json

    manifest = json.loads(content.schema.metadata[b"segharness"])["manifest"]
    assert {(row[0], row[1]) for row in manifest["observations"]} == {("good", "shapes"), ("other", "shapes")}
    assert "good: never predicts `square`" in small("report", "runs/small", "--format", "markdown").out
    quiet = small("run", "small.yaml", "--no-bootstrap", "-k", "clean", "-qq")
    assert quiet.out == ""
    assert quiet.err.count("note: model `good`, data set `shapes`: never predicts `square`") == 1


def test_results_with_categories_that_the_data_set_does_not_have_are_counted(small):
    """COCO's results with a category id of another list: pycocotools drops them without a word, and so do we, with one."""
    import json

    small("run", "small.yaml", "--bootstrap", "100", "-k", "good and clean", "-qq")
    small("export-results", "runs/small", "-o", "out")
    file = small.folder / "out/good/shapes/clean.segm.json"
    rows = json.loads(file.read_text())
    for row in rows[:3]:
        row["category_id"] = 777
    small.write("found.json", json.dumps(rows))
    done = small("score", "found.json", "--annotations", "coco/annotations.json", "--no-bootstrap")
    assert done.code == 0, done.err
    assert f"found: 3 of {len(rows)} detections are left out: the data set does not have their categories" in done.out
