"""The cross-dataset suites, end to end: the same scenes in three formats, real networks, and trees that are wrong."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from segharness.masks import to_rle
from segharness.store import read_results
from segharness_coco.panoptic import CocoPanoptic

from tests.streets import Scene, scene, write_bdd100k, write_cityscapes, write_coco, zipped

SUITES = Path(__file__).resolve().parents[2] / "suites"
STREETS = ("person", "bicycle", "car", "motorcycle", "bus", "train", "truck")


def photographs(shared: Path, count: int) -> dict[str, Scene]:
    """Return photographs with their street objects; every third person is a rider, and a region is void."""
    truth = COCO(str(shared / "data/coco-tiny/annotations/instances_val2017.json"))
    names = {c["id"]: c["name"] for c in truth.loadCats(truth.getCatIds())}
    found: dict[str, Scene] = {}
    people = 0
    for image in truth.loadImgs(sorted(truth.getImgIds())):
        objects = []
        for annotation in truth.loadAnns(truth.getAnnIds(imgIds=image["id"])):
            name = names[annotation["category_id"]]
            if name not in STREETS:
                continue
            people += name == "person"
            if name == "person" and people % 3 == 0:
                name = "rider"
            kind = "group" if annotation["iscrowd"] else "instance"
            objects.append((name, kind, truth.annToMask(annotation).astype(bool)))
        if objects and len(found) < count:
            void = np.zeros((image["height"], image["width"]), bool)
            void[:20, :40] = True
            objects.append(("car", "void", void))
            pixels = np.asarray(Image.open(shared / "data/coco-tiny/val2017" / image["file_name"]).convert("RGB"))
            found[f"{'aachen' if len(found) % 2 else 'bonn'}_{len(found):06d}_000019"] = scene(pixels, objects)
    return dict(sorted(found.items(), key=lambda pair: (pair[0].split("_")[0], pair[0])))


@pytest.fixture(scope="module")
def trees(tmp_path_factory, shared):
    """The scenes as COCO (with the regions to be ignored left out), Cityscapes and BDD100K, in folders of these names."""
    folder = tmp_path_factory.mktemp("trees")
    scenes = photographs(shared, 14)
    assert sum(kind == "instance" for s in scenes.values() for _, kind in s.objects) > 40
    write_coco(folder / "coco", scenes)
    for split in ("val", "train"):
        write_cityscapes(folder / "cityscapes", scenes, split)
    without_void = {
        name: Scene(
            s.pixels, np.where(s.owner <= len(kept := [o for o in s.objects if o[1] != "void"]), s.owner, 0), kept
        )
        for name, s in scenes.items()
    }
    write_bdd100k(folder / "bdd100k", without_void)
    write_bdd100k(folder / "bdd100k", without_void, form="rles")
    return folder


@pytest.fixture
def streets(harness, trees):
    """The folders of `trees`, for a test to run on and to spoil."""
    shutil.copytree(trees, harness.folder, dirs_exist_ok=True)
    return harness


def variables(shared, *, without=(), **more):
    given = {"coco": "coco", "cityscapes": "cityscapes", "bdd100k": "bdd100k", "models": f"{shared}/models", **more}
    return [word for name, value in given.items() if name not in without for word in ("--var", f"{name}={value}")]


@pytest.mark.shared
def test_zipped_data_sets_run_in_several_workers_with_the_same_numbers(streets, shared):
    arguments = ("run", str(SUITES / "cross_dataset.yaml"), *variables(shared), "--no-bootstrap", "--workers", "2")
    assert streets(*arguments, "--out", "plain").code == 0
    root = streets.folder
    for folder, name, top in (
        ("coco/annotations", "annotations_trainval2017", ""), ("coco/val2017", "val2017", ""),
        ("cityscapes/leftImg8bit", "leftImg8bit_trainvaltest", ""), ("cityscapes/gtFine", "gtFine_trainvaltest", ""),
        ("bdd100k/images", "bdd100k_images_10k", "bdd100k/"), ("bdd100k/labels", "bdd100k_ins_seg_labels", "bdd100k/"),
    ):  # fmt: skip
        zipped(root / folder, (root / folder).parent / f"{name}.zip", top)
    again = streets(*arguments, "--out", "plain")
    assert again.code == 0 and "; 0 predictions made" in again.out + again.err  # it is the same data
    done = streets(*arguments, "--out", "zipped")
    assert done.code == 0, done.err
    assert read_results(root / "zipped").equals(read_results(root / "plain"))


SAME = """
segharness: 1
name: same
models:
  - {id: small, model: yolo/seg, weights: "${models}/yolov8n_256_quant_pc_ii_seg_coco-st.tflite"}
  - {id: large, model: yolo/seg, weights: "${models}/yolov8n_320_quant_pc_ii_seg_coco-st.tflite"}
reference: small
datasets:
  - {id: as_coco, dataset: coco/2017, options: {root: coco}, labels: LABELS}
  - {id: as_cityscapes, dataset: cityscapes/instances, options: {root: cityscapes}, labels: LABELS}
  - {id: as_bdd100k, dataset: bdd100k/instances, options: {root: bdd100k}, labels: LABELS}
  - {id: as_rles, dataset: bdd100k/instances, options: {root: bdd100k, form: rles}, labels: LABELS}
conditions: [clean]
"""


@pytest.mark.shared
def test_the_same_scenes_have_the_same_numbers_in_every_format_under_every_policy(streets, shared):
    made = []
    seen = set()
    for policy in ("{rider: person}", "{rider: drop}", "{rider: ignore}", "{}"):
        streets.write("same.yaml", SAME.replace("LABELS", policy))
        done = streets("run", "same.yaml", "--no-bootstrap", "--var", f"models={shared}/models")
        assert done.code == 0, done.err
        made.append(int((done.out + done.err).split(" predictions made")[0].split()[-1]))
        rows = [row for row in streets.results("same").to_pylist() if row["evaluation"] == "coco"]
        numbers: dict[str, dict] = {}
        for row in rows:
            key = (row["model"], row["task"], row["category"], row["metric"])
            numbers.setdefault(row["dataset"], {})[key] = row["value"]
        assert numbers["as_coco"] == numbers["as_cityscapes"] == numbers["as_bdd100k"] == numbers["as_rles"]
        assert numbers["as_coco"]["large", "segm", None, "AP"] > 0.1
        assert ("large", "segm", "rider", "AP") in numbers["as_coco"] or policy != "{}"
        seen.add(numbers["as_coco"]["large", "segm", "person", "AP"])
    assert made == [4 * 2 * 14, 0, 0, 0]  # another policy needs no model
    assert len(seen) >= 3  # and is another number


@pytest.mark.shared
def test_a_shift_hides_no_evaluation_that_it_does_not_show(streets, shared):
    streets.write(
        "s.yaml",
        SAME.replace("LABELS", "{}") + "shifts: [{name: streets, clean: as_coco, datasets: [as_bdd100k]}]\n"
        "scoring: {tasks: [segm], metrics: [coco, {metric: cityscapes, datasets: [as_cityscapes]}]}\n",
    )
    done = streets("run", "s.yaml", "--no-bootstrap", "--var", f"models={shared}/models")
    assert done.code == 0, done.err
    assert "mask AP (coco) from as_coco to streets" in done.out and "mask AP (cityscapes) on as_cityscapes" in done.out
    assert "mask AP (coco) on as_rles" in done.out and "(cityscapes) from" not in done.out


@pytest.mark.shared
def test_the_cross_dataset_suite_prints_table_ii(streets, shared):
    suite = str(SUITES / "cross_dataset.yaml")
    done = streets("run", suite, *variables(shared), "--bootstrap", "100")
    assert done.code == 0, done.err
    for text in ("mask AP (coco) from coco_val to streets", "cityscapes_val", "cityscapes_train", "bdd100k_val", "CD",
                 "rCD", "reference yolov8n-256"):  # fmt: skip
        assert text in done.out
    rows = streets.results("cross_dataset").to_pylist()
    value = {
        (r["model"], r["dataset"], r["metric"]): r["value"]
        for r in rows
        if r["category"] is None and r["task"] == "segm"
    }
    model, reference = "yolov8n-320", "yolov8n-256"
    shifted = ("cityscapes_val", "cityscapes_train", "bdd100k_val")
    loss = {(m, d): 1 - value[m, d, "AP"] for m in (model, reference) for d in ("coco_val", *shifted)}
    cd = np.mean([loss[model, d] / loss[reference, d] for d in shifted])
    assert value[model, "streets", "CD"] == pytest.approx(cd, abs=1e-12)
    clean = {m: loss[m, "coco_val"] for m in (model, reference)}
    rcd = np.mean([(loss[model, d] - clean[model]) / (loss[reference, d] - clean[reference]) for d in shifted])
    if any(loss[reference, d] <= clean[reference] for d in shifted):
        rcd = None  # the reference loses nothing on one of them
    assert value[model, "streets", "rCD"] == (rcd if rcd is None else pytest.approx(rcd, abs=1e-12))
    assert value[reference, "streets", "CD"] == pytest.approx(1, abs=1e-12)
    box = streets("run", suite, *variables(shared, task="bbox"), "--no-bootstrap")
    assert box.code == 0 and "box AP (coco) from coco_val to streets" in box.out and "mask AP" not in box.out
    assert "; 0 predictions made" in box.out + box.err
    latex = streets("report", "runs/cross_dataset", "--format", "latex")
    assert latex.code == 0 and "cityscapes" in latex.out


@pytest.mark.shared
def test_the_transfer_suite_has_both_evaluations_side_by_side(streets, shared):
    suite = str(SUITES / "coco_to_cityscapes.yaml")
    models = "yolo/seg,id=yolov8n-{0},weights={1}/yolov8n_{0}_quant_pc_ii_seg_coco-st.tflite"
    given = list(variables(shared, without=("bdd100k", "models")))
    for size in (256, 320):
        given += ["--model", models.format(size, shared / "models")]
    done = streets("run", suite, *given, "--no-bootstrap")
    assert done.code == 0, done.err
    assert "mask (coco, cityscapes) on cityscapes_val by category" in done.out
    for text in ("AP50, coco", "AP50, cityscapes", "box AP (coco) on coco_val", "AP_S"):
        assert text in done.out
    rows = streets.results("coco_to_cityscapes").to_pylist()
    assert {(r["dataset"], r["evaluation"]) for r in rows} == {
        ("coco_val", "coco"), ("cityscapes_val", "coco"), ("cityscapes_val", "cityscapes"), ("transfer", "coco")
    }  # fmt: skip
    person = {r["evaluation"]: r["value"] for r in rows if r["category"] == "person" and r["metric"] == "AP50"
              and r["dataset"] == "cityscapes_val" and r["task"] == "segm" and r["model"] == "yolov8n-320"}  # fmt: skip
    assert set(person) == {"coco", "cityscapes"} and person["coco"] > 0.1 and person["cityscapes"] > 0.1


@pytest.mark.shared
def test_png_files_and_the_detection_format_are_the_same_instances(shared):
    sample = shared / "data/panoptic-sample"
    found = CocoPanoptic(str(sample / "panoptic_examples.json")).ground_truth("panoptic")
    listed = json.loads((sample / "panoptic_coco_detection_format.json").read_text())
    listed = listed["annotations"] if isinstance(listed, dict) else listed
    sizes = {image["id"]: (image["height"], image["width"]) for image in found["images"]}

    def regions(annotations):
        return sorted(
            (a["image_id"], a["category_id"], rle.decode(to_rle(a["segmentation"], *sizes[a["image_id"]])).tobytes())
            for a in annotations
        )

    assert regions(found["annotations"]) == regions(listed) and len(listed) > 40


@pytest.mark.shared
def test_a_panoptic_ground_truth_scores_1_against_itself(harness, shared):
    """The same segments by their PNG files, and by the JSON in detection format as a model's results."""
    sample = shared / "data/panoptic-sample"
    root = harness.folder / "coco"
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/panoptic_val2017.json").write_text((sample / "panoptic_examples.json").read_text())
    (root / "annotations/panoptic_val2017").symlink_to(sample / "panoptic_examples")
    (root / "val2017").symlink_to(sample / "input_images")
    segments = json.loads((sample / "panoptic_coco_detection_format.json").read_text())
    results = [{**s, "score": 1.0} for s in (segments["annotations"] if isinstance(segments, dict) else segments)]
    harness.write("found/clean.json", json.dumps(results))
    suite = str(SUITES / "panoptic.yaml")
    done = harness(
        "run", suite, "--var", "coco=coco", "--model", "coco-results/found,id=itself", "--no-bootstrap",
        "--executor", "inline",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = harness.results("panoptic").to_pylist()
    value = {r["metric"]: r["value"] for r in rows if r["category"] is None and r["evaluation"] == "panoptic"}
    assert [value[m] for m in ("PQ", "SQ", "RQ", "PQ_th", "PQ_st")] == [1.0] * 5
    mask = {r["metric"]: r["value"] for r in rows if r["category"] is None and r["evaluation"] == "coco"}
    assert mask["AP"] == pytest.approx(1, abs=1e-9)


def spoil_image(root):
    next((root / "cityscapes/leftImg8bit/val").rglob("*.png")).unlink()


def spoil_map(root):
    path = next((root / "cityscapes/gtFine/val").rglob("*.png"))
    Image.fromarray(np.asarray(Image.open(path)).astype(np.uint8)).save(path)


def spoil_bitmask(root):
    path = next((root / "bdd100k/labels/ins_seg/bitmasks/val").glob("*.png"))
    path.write_bytes(path.read_bytes()[:-30])


def spoil_coco(root):
    next((root / "coco/val2017").glob("*.png")).unlink()


def spoil_folder(root):
    (root / "cityscapes/gtFine/train").rename(root / "cityscapes/gtFine/training")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_image, "data set `cityscapes_val`: cityscapes: no image for 1 of 14 files"),
        (spoil_map, "its pixels are L: instance maps have 16 bits a pixel"),
        (spoil_bitmask, "cannot be decoded"),
        (spoil_coco, "data set `coco_val`: coco/val2017: 1 of 14 images are missing"),
        (spoil_folder, "no gtFine/train/CITY/*_gtFine_instanceIds.png"),
    ],
)
def test_a_wrong_tree_gets_one_message_before_any_model_is_loaded(streets, shared, spoil, message):
    spoil(streets.folder)
    done = streets("run", str(SUITES / "cross_dataset.yaml"), *variables(shared))
    assert done.code == 4, done.out
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and message in errors[0].replace(f"{streets.folder}/", ""), done.err
    assert not (streets.folder / "runs").exists() or not list((streets.folder / "runs").rglob("*.arrow"))


@pytest.mark.shared
def test_classes_without_ground_truth_stay_and_the_drop_is_a_difference(streets, shared):
    """By category: what is lost from COCO to the streets, and empty rows with their reason."""
    suite = str(SUITES / "coco_to_cityscapes.yaml")
    weights = shared / "models/yolov8n_320_quant_pc_ii_seg_coco-st.tflite"
    given = [*variables(shared, without=("bdd100k", "models")), "--model", f"yolo/seg,id=net,weights={weights}"]
    done = streets("run", suite, *given, "--no-bootstrap")
    assert done.code == 0, done.err
    rows = streets.results("coco_to_cityscapes").to_pylist()
    ap = {
        (r["dataset"], r["category"]): r["value"]
        for r in rows
        if (r["evaluation"], r["task"], r["metric"]) == ("coco", "segm", "AP") and r["category"]
    }
    lines = list(csv.reader(streets("report", "runs/coco_to_cityscapes", "--format", "csv").out.splitlines()))
    heading = max(n for n, line in enumerate(lines) if any("lost from coco_val" in cell for cell in line))
    column = next(n for n, cell in enumerate(lines[heading]) if "lost from coco_val" in cell)
    shown = {line[1]: line[column] for line in lines[heading + 1 :] if "mask" in line[0]}
    categories = {c for d, c in ap if d == "cityscapes_val"}
    assert categories <= set(shown)
    for category in categories:
        before, after = ap.get(("coco_val", category)), ap["cityscapes_val", category]
        if before is None or after is None:
            assert shown[category] == ""
        else:
            assert float(shown[category]) == pytest.approx(100 * (before - after), abs=1e-3)
    assert any(value for value in shown.values())
