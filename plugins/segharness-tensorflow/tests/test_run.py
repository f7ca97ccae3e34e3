"""A whole run: a SavedModel that gives the ground truth has an AP of 1, in every form of boxes and masks."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from segharness.store import read_results

from tests.streets import scene, write_coco

HEIGHT, WIDTH = 120, 160
CELLS = 56
"""The rows and columns of a cropped mask."""

FORMS = ("zoo", "whole", "garden", "one-size")


def scenes():
    """Return three scenes of different brightness, each with an ellipse and a box that are large."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    made = {}
    for number, brightness in enumerate((20, 90, 160)):
        pixels = rng.integers(brightness, brightness + 20, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        ellipse = ((y - 60) / 50) ** 2 + ((x - 40 - number) / 36) ** 2 < 1
        box = (abs(y - 60) < 45 - number) & (abs(x - 120) < 34)
        pixels[ellipse], pixels[box] = brightness + 40, brightness + 60
        made[f"scene{number}"] = scene(pixels, [("person", "instance", ellipse), ("car", "instance", box)])
    return made


def truth(made):
    """Return the arrays that a detector which knows the scenes gives, but for the units of its boxes."""
    boxes, cropped, whole = [], [], []
    for one in made.values():
        masks = [one.owner == number for number in (1, 2)]
        spans = [[*np.argwhere(mask).min(0), *(np.argwhere(mask).max(0) + 1)] for mask in masks]
        boxes.append(spans)
        cropped.append([crop(mask, span) for mask, span in zip(masks, spans, strict=True)])
        whole.append(masks)
    return np.float32(boxes), np.float32(cropped), np.array(whole, dtype=np.uint8)


def crop(mask, span):
    y1, x1, y2, x2 = (int(side) for side in span)
    return np.asarray(Image.fromarray(mask[y1:y2, x1:x2].astype(np.float32)).resize((CELLS, CELLS), Image.BILINEAR))


def models(made):
    boxes, cropped, whole = truth(made)
    means = np.float32([one.pixels.mean() for one in made.values()])
    outputs = {
        "means": means,
        "detection_scores": np.float32([[0.9, 0.8]] * 3),
        "detection_classes": np.float32([[2, 1]] * 3)[:, ::-1],
        "num_detections": np.float32([2, 2, 2]),
    }
    sides = np.float32([HEIGHT, WIDTH] * 2)
    zoo = {**outputs, "detection_boxes": boxes / sides, "detection_masks": cropped}
    info = np.float32([[[HEIGHT, WIDTH], [256, 256], [1.6, 1.6], [0, 0]]] * 3)
    garden = {**zoo, "detection_boxes": boxes * np.float32(1.6), "image_info": info}
    in_array = np.zeros((3, 2, 2 * HEIGHT, 2 * HEIGHT), dtype=np.uint8)  # scaled by 1.5, to 180 x 240
    for target, mask in zip(in_array.reshape(6, 2 * HEIGHT, 2 * HEIGHT), whole.reshape(6, HEIGHT, WIDTH), strict=True):
        target[:180] = np.asarray(Image.fromarray(mask).resize((240, 180), Image.NEAREST))
    one_size = {
        **zoo,
        "means": means * 0.75,
        "detection_boxes": boxes * 1.5 / 240,
        "detection_masks_reframed": in_array,
    }
    return {
        "zoo": (zoo, {}),
        "whole": ({**zoo, "detection_masks_reframed": whole}, {}),
        "garden": (garden, {"inputs": {"inputs": ("uint8", [None, None, None, 3])}}),
        "one-size": (one_size, {"inputs": {"input_tensor": ("uint8", [1, 2 * HEIGHT, 2 * HEIGHT, 3])}}),
    }


@pytest.fixture(scope="module")
def built(once, save_models):
    """A folder with the data set, the SavedModels and the names of the categories."""

    def fill(folder):
        made = scenes()
        write_coco(folder / "coco", made)
        save_models(folder, models(made))
        (folder / "names.txt").write_text("person\ncar\n")

    return once("run", fill)


def test_the_ground_truth_has_an_ap_of_one(built, harness, tensorflow_python):
    assert harness("config", "set", "python.tensorflow", tensorflow_python).code == 0
    entries = "\n".join(
        f"  - {{id: {form}, model: tensorflow/saved-model, weights: {built / form}, "
        f"options: {{categories: {built / 'names.txt'}}}}}"
        for form in FORMS
    )
    text = f"segharness: 1\nmodels:\n{entries}\n"
    text += (
        f"datasets: [{{id: streets, dataset: coco/2017, options: {{root: {built / 'coco'}}}}}]\nconditions: [clean]\n"
    )
    harness.write("s.yaml", text)
    done = harness("run", "s.yaml", "--out", "run")
    assert done.code == 0, done.err
    rows = read_results(harness.folder / "run/results.arrow").to_pylist()
    values = {
        (row["model"], row["task"]): row["value"] for row in rows if row["metric"] == "AP" and not row["category"]
    }
    assert values == {(form, task): 1.0 for form in FORMS for task in ("segm", "bbox")}
    manifest = json.loads((harness.folder / "run/manifest.json").read_text())
    assert "tensorflow" in json.dumps(manifest)


def test_other_variables_are_other_weights(built, harness, tensorflow_python, tmp_path):
    """The identity of predictions covers the variables: a stored run is not continued with others."""
    shutil.copytree(built / "zoo", tmp_path / "model")
    harness("config", "set", "python.tensorflow", tensorflow_python)
    harness.write(
        "s.yaml",
        f"segharness: 1\nmodels: [{{id: m, model: tensorflow/saved-model, weights: model, "
        f"options: {{categories: {built / 'names.txt'}}}}}]\n"
        f"datasets: [{{dataset: coco/2017, options: {{root: {built / 'coco'}}}}}]\nconditions: [clean]\n",
    )
    assert harness("run", "s.yaml", "--out", "run").code == 0
    (tmp_path / "model/fingerprint.pb").unlink()
    again = harness("run", "s.yaml", "--out", "run")
    assert again.code == 0
    shutil.copy(built / "garden/variables/variables.data-00000-of-00001", tmp_path / "model/variables")
    changed = harness("run", "s.yaml", "--out", "run")
    assert changed.code == 4 and "weights" in changed.err
