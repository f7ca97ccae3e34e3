"""``coco-results``: other programs' files become a row, and what is wrong with them is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness import CellError
from segharness_coco.results import CocoResults

MASK = np.zeros((10, 12), np.uint8)
MASK[2:6, 3:9] = 1
RLE = rle.encode(np.asfortranarray(MASK))
SHAPE = {"size": [10, 12], "counts": RLE["counts"].decode()}
ROW = {"image_id": 7, "category_id": 3, "score": 0.25, "bbox": [1.1, 2.2, 3.3, 4.4], "segmentation": SHAPE}


def write(folder, content, name="clean.json"):
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return CocoResults(str(folder))


def without(*keys):
    return {key: value for key, value in ROW.items() if key not in keys}


def load_results(model, ids=(7,), known=(7, 8)):
    return model.load_predictions("clean", list(ids), known)


def test_detectron2s_files_have_masks_and_boxes(tmp_path):
    [found, nothing] = load_results(write(tmp_path, [ROW, {**ROW, "score": 1}]), (7, 8))
    assert found.scores.tolist() == [0.25, 1.0] and found.category_ids.tolist() == [3, 3]
    assert found.boxes[0].tolist() == ROW["bbox"] and found.boxes.dtype == np.float64
    assert found.masks == [{"size": [10, 12], "counts": RLE["counts"]}] * 2
    assert len(nothing.scores) == 0


def test_mmdetections_files_are_put_together(tmp_path):
    write(tmp_path, [without("bbox")], "clean.segm.json")
    [found] = load_results(write(tmp_path, [without("segmentation")], "clean.bbox.json"))
    assert found.boxes[0].tolist() == ROW["bbox"] and found.masks[0]["counts"] == RLE["counts"]


def test_masks_alone_have_the_boxes_of_their_pixels(tmp_path):
    [found] = load_results(write(tmp_path, [without("bbox")]))
    assert found.boxes[0].tolist() == [3, 2, 6, 4]
    uncompressed = {"size": [10, 12], "counts": [32, 4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4, 34]}
    [again] = load_results(write(tmp_path, [{**without("bbox"), "segmentation": uncompressed}]))
    assert again.boxes[0].tolist() == [3, 2, 6, 4] and again.masks == found.masks


def test_boxes_alone_are_a_detector(tmp_path):
    [found] = load_results(write(tmp_path, [without("segmentation")]))
    assert found.masks is None and len(found.boxes) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "clean.json: not JSON"),
        ({"a": 1}, "holds a JSON dict, not a list of COCO results"),
        ([5], "result 0: is no object"),
        ([ROW, {**ROW, "score": "x"}], "result 1: `score` is 'x', not a finite number"),
        ('[{"image_id": 7, "category_id": 3, "score": NaN, "bbox": [0, 0, 1, 1]}]', "`score` is nan"),
        ([{**ROW, "image_id": "7"}], "`image_id` is '7', not a whole number"),
        ([{**ROW, "category_id": True}], "`category_id` is True"),
        ([without("bbox", "segmentation")], "has neither `segmentation` nor `bbox`"),
        ([{**ROW, "bbox": [1, 2, 3]}], "not four finite numbers"),
        ([{**ROW, "segmentation": [[1, 2, 3, 4, 5, 6]]}], "not an RLE"),
        ([{**without("bbox"), "segmentation": {**SHAPE, "counts": SHAPE["counts"][:-1]}}], "a broken mask"),
        ([{**without("bbox"), "segmentation": {**SHAPE, "counts": [1, 2]}}], "runs do not cover 10x12"),
        ([{**ROW, "image_id": 99}], "image 99 is not one of the data set's"),
        ([ROW, without("bbox")], "some results have a segmentation or a bbox, others have not"),
        ({"images": [{"image_id": 7}]}, "an image has no `image_id` or no list `dets`"),
        ({"images": [{"image_id": 99, "dets": []}]}, "image 99 is not one of the data set's"),
        ({"images": [{"image_id": 8, "dets": []}]}, "lists its images, and image 7 is not among them"),
        ("[" * 100_000, "not JSON"),
        (
            '[{"image_id": 7, "category_id": 3, "score": 1' + "0" * 400 + ', "bbox": [0, 0, 1, 1]}]',
            "not a finite number",
        ),
        ({"images": [{"image_id": 7, "dets": [{"category": "gnu"}]}]}, "no category `gnu` in COCO"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, content, message):
    with pytest.raises(CellError) as caught:
        load_results(write(tmp_path, content))
    assert message in str(caught.value)


def test_a_condition_without_a_file_is_said(tmp_path):
    with pytest.raises(CellError, match="called CONDITION.json, or CONDITION.segm.json"):
        CocoResults(str(tmp_path)).load_predictions("fog-3", [7], (7,))


def test_two_files_of_other_detections_are_not_put_together(tmp_path):
    write(tmp_path, [without("bbox")] * 2, "clean.segm.json")
    with pytest.raises(CellError, match="not the same detections"):
        load_results(write(tmp_path, [without("segmentation")], "clean.bbox.json"))
    with pytest.raises(CellError, match="image, category or score differ"):
        load_results(
            write(tmp_path, [without("segmentation"), {**without("segmentation"), "score": 0.9}], "clean.bbox.json")
        )


def test_two_files_of_one_kind_are_said(tmp_path):
    write(tmp_path, [without("bbox")], "clean.segm.json")
    with pytest.raises(CellError, match="result 0 of clean.bbox.json: no bbox"):
        load_results(write(tmp_path, [without("bbox")], "clean.bbox.json"))


SUITE = """
segharness: 1
name: elsewhere
models: [{id: found, model: coco-results/found}]
datasets: [{id: shapes, dataset: coco/instances, options: {annotations: truth.json}}]
conditions: [clean]
"""


def numbers(harness, name="elsewhere"):
    return {
        (r["task"], r["metric"]): r["value"]
        for r in harness.results(name).to_pylist()
        if r["category"] is None and r["split"] == "all" and r["condition"] == "clean"
    }


def test_the_oracle_is_met_to_the_last_bit_without_images(harness, shared):
    folder = shared / "data/coco-oracle"
    harness.write("truth.json", (folder / "instances_val2014_100.json").read_text())
    for kind in ("bbox", "segm"):
        text = (folder / f"instances_val2014_fake{kind}100_results.json").read_text()
        harness.write(f"{kind}/clean.json", text)
        harness.write("suite.yaml", SUITE.replace("coco-results/found", f"coco-results/{kind}"))
        done = harness("run", "suite.yaml", "--fresh")
        assert done.code == 0, done.err
        assert numbers(harness)[kind, "AP"] == expected(
            harness.folder / "truth.json", harness.folder / f"{kind}/clean.json", kind
        )


def expected(truth, results, task):
    gt = COCO(str(truth))
    evaluation = COCOeval(gt, gt.loadRes(str(results)), task)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return float(np.mean(precision[precision > -1]))


def test_yolacts_detections_go_through_as_they_are(harness, shared):
    """One network's confident masks as ground truth for the other's: real masks, more than half of some are empty."""
    folder = shared / "data/yolact-detections"
    base = json.loads((folder / "yolact_base.json").read_text())
    from segharness_coco.names import IDS

    truth = {"images": [], "annotations": [], "categories": [{"id": i, "name": n} for n, i in IDS.items()]}
    for image in base["images"]:
        size = image["dets"][0]["mask"]["size"] if image["dets"] else [10, 10]
        truth["images"].append({"id": image["image_id"], "file_name": "x", "height": size[0], "width": size[1]})
        for found in image["dets"]:
            if found["score"] > 0.3 and (area := int(rle.area(found["mask"]))):
                truth["annotations"].append(
                    {"id": len(truth["annotations"]) + 1, "image_id": image["image_id"], "iscrowd": 0, "area": area,
                     "category_id": IDS[found["category"]], "bbox": found["bbox"], "segmentation": found["mask"]}
                )  # fmt: skip
    sizes = {image["id"]: [image["height"], image["width"]] for image in truth["images"]}
    other = json.loads((folder / "yolact_resnet50.json").read_text())
    for image in other["images"]:  # where the first network found nothing its size is not known
        if image["dets"]:
            sizes[image["image_id"]] = image["dets"][0]["mask"]["size"]
    for image in truth["images"]:
        image["height"], image["width"] = sizes[image["id"]]
    harness.write("truth.json", json.dumps(truth))
    harness.write("found/clean.json", json.dumps(other))
    harness.write("suite.yaml", SUITE)
    done = harness("run", "suite.yaml")
    assert done.code == 0, done.err
    rows = [
        {
            "image_id": image["image_id"],
            "category_id": IDS[d["category"]],
            "score": d["score"],
            "segmentation": d["mask"],
        }
        for image in other["images"]
        for d in image["dets"]
    ]
    empty = sum(rle.area(row["segmentation"]) == 0 for row in rows)
    assert empty > len(rows) / 20
    harness.write("plain.json", json.dumps(rows))
    assert numbers(harness)["segm", "AP"] == expected(
        harness.folder / "truth.json", harness.folder / "plain.json", "segm"
    )


def test_a_missing_file_costs_its_condition_alone(harness):
    harness.write(
        "truth.json",
        json.dumps(
            {
                "images": [{"id": 7, "file_name": "x.png", "height": 10, "width": 12}],
                "annotations": [{**without("score"), "id": 1, "area": 24, "iscrowd": 0}],
                "categories": [{"id": 3, "name": "thing"}],
            }
        ),
    )
    harness.write("found/clean.json", json.dumps([ROW]))
    harness.write("suite.yaml", SUITE.replace("[clean]", "[clean, fog-3]"))
    done = harness("run", "suite.yaml")
    assert done.code == 1 and "no stored predictions under its condition" in done.err and "Traceback" not in done.err
    assert numbers(harness)["segm", "AP50"] is not None
    assert "1 of 2 cells done" in done.out + done.err


def test_the_folder_must_be_there(harness):
    harness.write("truth.json", "{}")
    harness.write("suite.yaml", SUITE)
    done = harness("run", "suite.yaml")
    assert done.code == 4 and "no file or folder" in done.err and "option `folder` of model `coco-results`" in done.err


TRUTH = {
    "images": [{"id": 7, "file_name": "x.png", "height": 10, "width": 12}],
    "annotations": [{**without("score"), "id": 1, "area": 24, "iscrowd": 0}],
    "categories": [{"id": 3, "name": "thing"}],
}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "segmentation": {**SHAPE, "size": [12, 10]}}, "mask 0 has size (12, 10), the image (10, 12)"),
        ({**ROW, "category_id": 2}, "none of its category ids (2 ...) is one of the data set's (3 ...)"),
        ({**ROW, "bbox": [1, 1, -3, 4]}, "box 0 has a negative side"),
    ],
)
def test_results_that_do_not_fit_the_data_set_fail(harness, row, message):
    harness.write("truth.json", json.dumps(TRUTH))
    harness.write("found/clean.json", json.dumps([row]))
    harness.write("suite.yaml", SUITE)
    done = harness("run", "suite.yaml")
    assert done.code == 1 and message in done.err and "Traceback" not in done.err
