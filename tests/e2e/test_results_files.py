"""``segharness score detections.json``: other programs' files against ground truth, in one command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import segharness
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from segharness.store import read_results


@pytest.fixture
def files(small):
    """Detections of the tests' solver in several programs' forms, beside the ground truth."""
    done = small("run", "small.yaml", "--bootstrap", "100", "-k", "good and clean", "-qq")
    assert done.code == 0, done.err
    assert small("export-results", "runs/small", "-o", "out").code == 1  # the other cells are not run
    folder = small.folder / "out/good/shapes"
    masks = json.loads((folder / "clean.segm.json").read_text())
    boxes = json.loads((folder / "clean.bbox.json").read_text())
    for row, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        mask["score"] = box["score"] = 0.9 - 0.01 * (row % 30)
        if row % 3 == 0:
            box["bbox"][0] += 4
    both = [{**mask, "bbox": box["bbox"]} for mask, box in zip(masks, boxes, strict=True)]
    small.write("coco_instances_results.json", json.dumps(both))  # detectron2
    small.write("work dir/results.segm.json", json.dumps(masks))  # mmdet
    small.write("work dir/results.bbox.json", json.dumps(boxes))
    small.write("floats.json", json.dumps([{**row, "image_id": float(row["image_id"])} for row in both]))
    return small


def expected(harness, file, kind):
    truth = COCO(str(harness.folder / "coco/annotations.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(harness.folder / file)), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


def numbers(table):
    return {(row["task"], row["metric"]): row["value"] for row in table.to_pylist()
            if row["category"] is None and row["split"] == "all" and row["condition"] == "clean"}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "of_masks", "of_boxes"),
    [
        ("coco_instances_results.json", "coco_instances_results.json", "coco_instances_results.json"),
        ("work dir/results.segm.json", "work dir/results.segm.json", "work dir/results.bbox.json"),
        ("work dir/results.bbox.json", None, "work dir/results.bbox.json"),
        ("floats.json", "coco_instances_results.json", "coco_instances_results.json"),
    ],
)
def test_one_command_scores_a_file(files, file, of_masks, of_boxes):
    done = files("score", file, "--annotations", "coco/annotations.json", "--bootstrap", "100", "--out", "kept")
    assert done.code == 0, done.err
    assert "mask AP (coco) on ground-truth" in done.out
    found = numbers(read_results(files.folder / "kept"))
    for kind, source in (("segm", of_masks), ("bbox", of_boxes)):
        for metric, position in (("AP", 0), ("AP50", 1), ("AP75", 2), ("AR100", 8)):
            if source is None:
                assert found[kind, metric] is None
            else:
                assert found[kind, metric] == pytest.approx(expected(files, source, kind)[position], abs=1e-9)


def test_nothing_is_kept_unless_it_is_asked_for(files):
    before = sorted(files.folder.rglob("*"))
    done = files("score", "coco_instances_results.json", "--annotations", "coco/annotations.json", "--no-bootstrap")
    assert done.code == 0 and sorted(files.folder.rglob("*")) == before


def test_it_is_a_function_too(files, monkeypatch):
    monkeypatch.chdir(files.folder)
    table = segharness.score_results(
        "coco_instances_results.json", "coco/annotations.json", images="coco/images", bootstrap=0
    )
    assert numbers(table)["segm", "AP"] == pytest.approx(
        expected(files, "coco_instances_results.json", "segm")[0], abs=1e-9
    )


def test_a_file_is_a_model_whatever_its_name(files):
    done = files(
        "run", "small.yaml", "--no-bootstrap", "--out", "run",
        "--model", "coco-results/coco_instances_results.json,id=theirs",
    )  # fmt: skip
    assert done.code == 1
    failed = [line for line in done.err.splitlines() if "coco_instances_results.json" in line]
    assert len(failed) == 1 and "no stored predictions under its condition" in failed[0]
    assert "1 of 4 cells done, 3 failed" in done.err
    found = numbers(read_results(files.folder / "run"))
    assert found["segm", "AP"] == pytest.approx(expected(files, "coco_instances_results.json", "segm")[0], abs=1e-9)


def test_conditions_that_are_not_there_are_one_line(files):
    files.write("stored/clean.json", (files.folder / "coco_instances_results.json").read_text())
    text = (files.folder / "small.yaml").read_text().replace("gaussian_noise-5, fog-3, mixed", "paper15, mixed")
    files.write("many.yaml", text.replace("name: small", "name: many"))
    done = files("run", "many.yaml", "--no-bootstrap", "--model", "coco-results/stored,id=theirs")
    lines = [line for line in done.err.splitlines() if "stored" in line]
    assert done.code == 1 and len(lines) == 1, done.err
    assert "more: model `theirs`: no stored predictions under its condition" in lines[0]
    assert "it has clean.json" in lines[0] and "1 of 17 cells done, 16 failed" in done.err
    assert done.out.count("no stored predictions") <= 4  # once a table and column, and not for every condition


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["score", "nothing.json", "--annotations", "coco/annotations.json"], "nothing.json: no such file"),
        (["score", "coco_instances_results.json", "--annotations", "no.json"], "no.json: no such file"),
        (["score", "coco_instances_results.json"], "--annotations FILE scores its detections"),
        (["score", "small.yaml", "--annotations", "coco/annotations.json"], "known endings: .json"),
        (
            ["score", "runs/small", "--images", "coco/images"],
            "--images, --option and --out are for a file of detections",
        ),
        (
            ["score", "floats.json", "--annotations", "coco/annotations.json", "--dataset", "a=b=c"],
            "--dataset is for run folders",
        ),
        (
            ["score", "coco/annotations.json", "--annotations", "coco/annotations.json"],
            "neither COCO results nor YOLACT",
        ),
        (
            ["score", "floats.json", "--annotations", "floats.json"],
            "not an object with images, annotations, categories",
        ),
    ],
)
def test_mistakes_are_one_message(files, words, told):
    done = files(*words)
    assert done.code == 4 and told in done.err and "Traceback" not in done.err, done.err
    assert len(done.err.strip().splitlines()) == 1


def test_other_ids_are_refused(files):
    rows = json.loads((files.folder / "floats.json").read_text())
    files.write("shifted.json", json.dumps([{**row, "category_id": row["category_id"] + 100} for row in rows]))
    done = files("score", "shifted.json", "--annotations", "coco/annotations.json")
    assert done.code == 4 and "none of its category ids" in done.err
    files.write("other.json", json.dumps([{**row, "image_id": 999} for row in rows]))
    done = files("score", "other.json", "--annotations", "coco/annotations.json")
    assert done.code == 4 and "image 999 is not one of the data set's" in done.err


def test_a_folder_may_have_the_look_of_a_variable(files):
    text = (files.folder / "coco_instances_results.json").read_text()
    files.write("${HOME}/a, b=c.json", text)
    done = files("score", "${HOME}/a, b=c.json", "--annotations", "coco/annotations.json", "--no-bootstrap")
    assert done.code == 0 and np.isfinite(len(done.out)), done.err
