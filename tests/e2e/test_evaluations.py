"""Evaluations from a suite to its report: prompts, options, shifts, speed, intervals."""

from __future__ import annotations

import csv
import io
import json

import pytest

ORACLE = '''
"""Answers prompts: the shape under a box or a point, by colour. `mode` makes it misbehave."""

import numpy as np


class Instances:
    def __init__(self, masks, scores):
        self.masks, self.scores, self.boxes, self.labels = masks, scores, None, None


class Promptable:
    categories = ["anything"]

    def __init__(self, prompt, scores, mode):
        self.prompt, self.scores, self.mode = prompt, scores, mode

    def predict(self, images, prompts=None):
        found = []
        for image, given in zip(images, prompts):
            pixels = image.astype(int)
            masks = []
            for prompt in given:
                if self.prompt == "points":
                    x, y = prompt.astype(int)
                    x0, y0, x1, y1 = x - 20, 0, x + 20, image.shape[0]
                else:
                    x0, y0, x1, y1 = np.round(prompt).astype(int)
                    x, y = (x0 + x1) // 2, (y0 + y1) // 2
                red = pixels[y, x, 0] > pixels[y, x, 1]
                mask = pixels[..., 0] - pixels[..., 1] > 47 if red else pixels[..., 1] - pixels[..., 0] > 47
                keep = np.zeros_like(mask)
                keep[max(y0, 0) : y1, max(x0, 0) : x1] = True
                masks.append(mask & keep)
            if self.mode == "short":
                masks = masks[:-1]
            count = len(masks)
            masks = np.array(masks, dtype=bool).reshape(count, *image.shape[:2])
            found.append(Instances(masks, np.linspace(0.9, 0.1, count) if self.scores else None))
        return found


def build(prompt="boxes", scores=True, mode=""):
    return Promptable(prompt, scores, mode)
'''

PROMPTED = """
segharness: 1
name: prompted
models:
  - {id: boxes, model: "./oracle.py:build"}
  - {id: silent, model: "./oracle.py:build", options: {scores: false}}
  - {id: points, model: "./oracle.py:build", options: {prompt: points}}
  - {id: detector, model: "./solver.py:build"}
datasets:
  - {id: shapes, dataset: coco/instances, options: {annotations: coco/annotations.json, images: coco/images}}
conditions: [clean]
scoring: {tasks: [segm], metrics: [given-boxes, given-points, coco], splits: {discs: [disc]}}
"""


def number(table, model, metric, evaluation, split="all", **more):
    rows = [
        r
        for r in table.to_pylist()
        if (r["model"], r["metric"], r["evaluation"], r["split"], r["category"])
        == (model, metric, evaluation, split, None)
        and all(r[key] == value for key, value in more.items())
    ]
    assert len(rows) == 1, rows
    return rows[0]


@pytest.fixture
def prompted(small):
    small.write("oracle.py", ORACLE)
    small.write("prompted.yaml", PROMPTED)
    return small


def test_models_that_take_prompts_get_them_and_are_scored_apart(prompted):
    done = prompted("run", "prompted.yaml")
    assert done.code == 0, done.err
    table = prompted.results("prompted")
    for model, evaluation in (("boxes", "given-boxes"), ("silent", "given-boxes"), ("points", "given-points")):
        row = number(table, model, "mask_mIoU", evaluation)
        assert row["value"] > 0.9 and row["ci_low"] <= row["value"] <= row["ci_high"] and row["n_instances"] > 10
        assert number(table, model, "mask_mIoU", evaluation, "discs")["value"] > 0.9
        assert "see the evaluation `given-" in number(table, model, "AP", "coco")["reason"]
    assert number(table, "boxes", "AP", "given-boxes")["value"] > 0.9
    assert number(table, "silent", "AP", "given-boxes")["reason"] == "the model gives no scores"
    assert "given boxes, this evaluation is of given points" not in done.err
    assert number(table, "points", "mask_mIoU", "given-boxes")["value"] is None
    assert "takes no prompts" in number(table, "detector", "mask_mIoU", "given-boxes")["reason"]
    assert number(table, "detector", "AP", "coco")["value"] > 0.9
    assert "mask mask_mIoU (given-boxes) on shapes" in done.out


def test_points_are_the_data_sets_whatever_the_seed(prompted):
    prompted("run", "prompted.yaml", "-k", "points")
    before = prompted.results("prompted").to_pylist()
    prompted.write("other.yaml", PROMPTED.replace("name: prompted", "name: other\nseed: 77"))
    prompted("run", "other.yaml", "-k", "points")
    after = prompted.results("other").to_pylist()
    assert [r["value"] for r in before] == [r["value"] for r in after]


def test_an_answer_that_is_short_costs_its_images(prompted):
    done = prompted("run", "prompted.yaml", "--model", "oracle.py:build,id=short,mode=short", "--out", "short")
    assert done.code == 1 and "masks for" in done.err and "Traceback" not in done.err


def test_prompts_reach_a_model_in_another_environment(prompted):
    import sys

    text = PROMPTED.replace('model: "./oracle.py:build"}', f'model: "./oracle.py:build", python: {sys.executable}}}', 1)
    prompted.write("prompted.yaml", text)
    assert prompted("run", "prompted.yaml", "-k", "boxes").code == 0
    assert number(prompted.results("prompted"), "boxes", "mask_mIoU", "given-boxes")["value"] > 0.9


OPTIONS = """
segharness: 1
name: options
extends: small.yaml
conditions: [clean]
scoring:
  tasks: [segm]
  metrics:
    - coco
    - {id: toy, metric: coco, options: {iou_thresholds: [0.5, 0.7, 0.8, 0.9], class_agnostic: true}}
    - cityscapes
    - speed
"""


def test_evaluations_with_options_stand_beside_each_other(small):
    small.write("options.yaml", OPTIONS)
    done = small("run", "options.yaml", "--limit", "6")
    assert done.code == 0, done.err
    table = small.results("options")
    metrics = {r["metric"] for r in table.to_pylist() if r["evaluation"] == "toy"}
    assert {"AP", "AP50", "AP70", "AP80", "AP90"} <= metrics
    assert number(table, "good", "AP", "toy")["value"] > 0.9
    assert number(table, "good", "AP", "cityscapes")["value"] > 0.9
    assert "(toy) on shapes" in done.out and "AP90" in done.out
    assert "warm-up" in number(table, "good", "fps", "speed")["reason"]


def test_speed_is_a_column(small):
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text + "scoring: {metrics: [coco, speed]}\n")
    done = small("run", "small.yaml", "--out", "runs/two", "--workers", "1")
    assert done.code == 0, done.err
    rows = [r for r in small.results("two").to_pylist() if r["evaluation"] == "speed" and r["metric"] == "fps"]
    assert len(rows) == 8 and any(r["value"] for r in rows)
    assert all(r["device"] for r in rows if r["value"] is not None)
    assert "fps" in done.out


SHIFT = """
segharness: 1
name: shift
models:
  - {id: good, model: "./solver.py:build"}
  - {id: other, model: "./solver.py:build", options: {margin: 70}}
reference: good
datasets:
  - {id: home, dataset: coco/instances, options: {annotations: coco/annotations.json, images: coco/images}}
  - {id: foggy, dataset: coco/instances, options: {annotations: foggy/annotations.json, images: foggy/fog-3}}
  - {id: noisy, dataset: coco/instances, options: {annotations: foggy/annotations.json, images: foggy/gaussian_noise-5}}
shifts: [{name: weather, clean: home, datasets: [foggy, noisy]}]
conditions: [clean]
"""


def test_degradation_over_data_sets(small):
    source = "coco/instances,annotations=coco/annotations.json,images=coco/images"
    assert small("export", source, "--conditions", "fog-3,gaussian_noise-5", "-o", "foggy").code == 0
    small.write("shift.yaml", SHIFT)
    done = small("run", "shift.yaml")
    assert done.code == 0, done.err
    table = small.results("shift")
    aps = {
        (model, dataset): number(table, model, "AP", "coco", dataset=dataset, task="segm")["value"]
        for model in ("good", "other")
        for dataset in ("home", "foggy", "noisy")
    }
    expected = sum(
        (aps["other", "home"] - aps["other", d]) / (aps["good", "home"] - aps["good", d]) for d in ("foggy", "noisy")
    )
    row = number(table, "other", "rCD", "coco", dataset="weather", task="segm")
    if min(aps["good", "home"] - aps["good", d] for d in ("foggy", "noisy")) > 0:
        assert row["value"] == pytest.approx(expected / 2)
    else:
        assert row["value"] is None and "does not degrade" in row["reason"]
    cd = number(table, "other", "CD", "coco", dataset="weather", task="segm")
    mean = sum((1 - aps["other", d]) / (1 - aps["good", d]) for d in ("foggy", "noisy")) / 2
    assert cd["value"] == pytest.approx(mean) and cd["reference"] == "good"
    assert "mask AP (coco) from home to weather, percent; reference good" in done.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "shifts: [{name: w, clean: hom, datasets: [foggy]}]",
            "no data set `hom` in this suite (did you mean `home`?)",
        ),
        ("shifts: [{name: w, clean: home, datasets: [home]}]", "`home` is both clean and shifted"),
        ("shifts: [{name: home, clean: home, datasets: [foggy]}]", "a data set or shift has the name `home` already"),
        ("shifts: [{name: w, clean: home, datasets: []}]", "`datasets` is empty"),
        ("scoring: {metrics: [{metric: coco, id: x, options: {iou: 1}}]}", "metric `coco`: no option `iou`"),
        (
            "scoring: {metrics: [{metric: coco, options: {class_agnostic: true}}]}",
            "give the evaluation an `id:` of its own",
        ),
        (
            "scoring: {metrics: [{metric: speed, id: x, options: {a: 1}}]}",
            "metric `speed` takes no options, so `a` is not allowed",
        ),
        ("scoring: {metrics: [coco, {metric: speed, id: coco}]}", "two evaluations have the id `coco`"),
        ("scoring: {metrics: [{metric: cityscapes, id: speed}]}", "`speed` is the name of another metric"),
        (
            "scoring: {metrics: [{metric: coco, id: x, options: {max_dets: [9999999]}}]}",
            "rising whole numbers from 1 to",
        ),
        ("scoring: {tasks: [panoptic]}", "no task `panoptic`"),
    ],
)
def test_mistakes_have_their_place(harness, line, message):
    harness.write("solver.py", "def build(margin=1):\n    pass\n")
    for folder in ("coco/images", "foggy/fog-3", "foggy/gaussian_noise-5"):
        (harness.folder / folder).mkdir(parents=True)
    harness.write("coco/annotations.json", "{}")
    harness.write("foggy/annotations.json", "{}")
    text = SHIFT.replace("shifts: [{name: weather, clean: home, datasets: [foggy, noisy]}]", line)
    harness.write("s.yaml", text)
    done = harness("collect", "s.yaml")
    assert done.code == 4 and message in done.err and "s.yaml:" in done.err


def test_shifts_need_clean_images(small):
    small.write("shift.yaml", SHIFT.replace("conditions: [clean]", "conditions: [fog-3]"))
    for folder in ("fog-3", "gaussian_noise-5"):
        (small.folder / "foggy" / folder).mkdir(parents=True)
    small.write("foggy/annotations.json", "{}")
    done = small("collect", "shift.yaml")
    assert done.code == 4 and "`clean` is not among the conditions" in done.err


def test_a_set_cannot_have_the_name_of_what_is_listed(small):
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace("mixed]", "{name: listed, corruptions: [snow], severities: [1]}]"))
    done = small("collect", "small.yaml")
    assert done.code == 4 and "`listed` is the group of corruptions listed singly" in done.err


def test_intervals_are_there_unless_they_are_not_wanted(small):
    assert small("run", "small.yaml", "--bootstrap", "150").code == 0
    with_them = small.results("small")
    for metric in ("AP", "AP50", "AP_avg", "CD", "mPC"):
        rows = [r for r in with_them.to_pylist() if r["metric"] == metric and r["value"] is not None]
        assert rows and all(r["ci_low"] is not None and r["ci_low"] <= r["ci_high"] for r in rows), metric
    assert (small.folder / "runs/small/resamples.arrow").is_file()
    assert small("score", "runs/small", "--no-bootstrap").code == 0
    without = small.results("small")
    assert without.column("ci_low").null_count == len(without)
    assert with_them.column("value").equals(without.column("value"))
    assert not (small.folder / "runs/small/resamples.arrow").exists()
    assert small("score", "runs/small", "--bootstrap", "150", "-q").code == 0
    assert small.results("small").equals(with_them)


def test_a_stored_reference_brings_its_resamples(small):
    assert small("run", "small.yaml").code == 0
    done = small("run", "small.yaml", "--model", "solver.py:build,id=third,margin=60", "--reference",
                 "runs/small/results.arrow::good", "--out", "third")  # fmt: skip
    assert done.code == 0, done.err
    cd = number(small.results("../third"), "third", "CD", "coco", task="segm")
    assert cd["ci_low"] is not None and cd["reference"] == "good"
    (small.folder / "runs/small/resamples.arrow").unlink()
    assert small("score", "third", "-q").code == 0
    again = number(small.results("../third"), "third", "CD", "coco", task="segm")
    assert again["value"] == cd["value"] and again["ci_low"] is None
    assert "the reference was stored without these resamples" in again["reason"]


def test_reports_show_what_they_are_asked_for(small):
    text = (small.folder / "small.yaml").read_text()
    text = text.replace(
        "conditions: [clean, gaussian_noise-5, fog-3, mixed]",
        "conditions: [clean, {corruptions: [fog, snow], severities: [1, 3]}]",
    )
    small.write("small.yaml", text + "scoring: {splits: {discs: [disc]}}\n")
    assert small("run", "small.yaml", "-q").code == 0
    plain = small("report", "runs/small").out
    assert "clean, by split" in plain and "discs" in plain
    more = small("report", "runs/small", "--classes", "--parts", "--ratios", "--digits", "3")
    assert more.code == 0, more.err
    assert "by category, clean" in more.out and "square" in more.out
    assert "severity 1" in more.out and "ratios of mask AP" in more.out
    document = small("report", "runs/small", "--format", "csv", "--classes").out
    headings = next(csv.reader(io.StringIO(document)))
    assert "clean low" in headings and "clean high" in headings


def test_prompts_know_annotations_with_the_id_0(prompted):
    path = prompted.folder / "coco/annotations.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation["id"] -= 1
    path.write_text(json.dumps(content))
    done = prompted("run", "prompted.yaml", "-k", "boxes")
    assert done.code == 0, done.err
    table = prompted.results("prompted")
    assert number(table, "boxes", "mask_mIoU", "given-boxes")["value"] > 0.9
    notes = json.loads(table.schema.metadata[b"segharness"])["manifest"]["notes"]
    assert any("ids of 0 or below were renumbered" in note for note in notes)


def test_resamples_are_neither_too_few_nor_too_many(small):
    for count in ("1", "99", "20001"):
        done = small("run", "small.yaml", "--bootstrap", count)
        assert done.code == 4 and ("too few" in done.err or "at most" in done.err)


def test_one_image_has_no_interval(small):
    assert small("run", "small.yaml", "--limit", "1", "-qq").code == 0
    table = small.results("small")
    assert table.column("ci_low").null_count == len(table)


PLUGIN = """
from segharness import Metric, MetricSpec, Score, hookimpl
import numpy as np


def score(request):
    return [Score("x", 0.5, samples=np.zeros(3))]


@hookimpl
def segharness_metrics():
    return [MetricSpec("acme", score=score, tasks=("segm",), metrics=(Metric("x"),))]
"""


def test_a_metric_with_samples_of_another_size_costs_its_own_numbers(small):
    small.write("segharness_plugins.py", PLUGIN)
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text + "scoring: {metrics: [coco, acme]}\n")
    done = small("run", "small.yaml")
    assert done.code == 1 and "metric `acme`" in done.err and "(3,)" in done.err and "Traceback" not in done.err
    assert number(small.results("small"), "good", "AP", "coco", condition="clean", task="segm")["value"] is not None


def test_an_evaluation_needs_its_ground_truth_before_the_first_cell(small):
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text + "scoring: {metrics: [panoptic]}\n")
    done = small("run", "small.yaml")
    assert done.code == 4 and "has no ground truth of the kind `panoptic`" in done.err


def test_results_are_exported_and_come_back_as_a_model(small):
    assert small("run", "small.yaml").code == 0
    done = small("export-results", "runs/small", "-o", "out")
    assert done.code == 0, done.err
    [first, *_] = json.loads((small.folder / "out/good/shapes/clean.segm.json").read_text())
    assert set(first) == {"image_id", "category_id", "score", "segmentation"}
    back = small("run", "small.yaml", "--model", "coco-results/out/good/shapes,id=back", "--model",
                 "solver.py:build,id=other,margin=70", "--reference", "back", "--out", "back")  # fmt: skip
    assert back.code == 0, back.err
    expected = {
        (r["condition"], r["task"], r["split"], r["category"], r["metric"]): (r["value"], r["ci_low"])
        for r in small.results("small").to_pylist()
        if r["model"] == "good" and not r["metric"].endswith("_ratio") and r["reference"] is None
    }
    found = {
        (r["condition"], r["task"], r["split"], r["category"], r["metric"]): (r["value"], r["ci_low"])
        for r in small.results("../back").to_pylist()
        if r["model"] == "back" and not r["metric"].endswith("_ratio") and r["reference"] is None
    }
    assert found == expected


def test_incomplete_cells_are_not_exported_and_said(small):
    assert small("run", "small.yaml", "-k", "not fog", "-qq").code == 0
    done = small("export-results", "runs/small", "-o", "out")
    assert done.code == 1 and "not written: good::shapes::fog-3 and 1 more: not run" in done.err
    assert (small.folder / "out/good/shapes/clean.bbox.json").is_file()
