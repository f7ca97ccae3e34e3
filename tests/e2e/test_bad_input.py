"""Bad data and bad models: one clear message each, other cells unharmed, exit codes as documented."""

from __future__ import annotations

import json
import re

import pytest


def values(harness, metric="AP50"):
    rows = harness.results("small").to_pylist()
    return {(r["model"], r["condition"]): r for r in rows if r["metric"] == metric and r["category"] is None}


def break_annotations(harness, change):
    path = harness.folder / "coco/annotations.json"
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(changed if isinstance(changed, str) else json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: "{not json", "annotations.json: not JSON: "),
        (lambda c: "[]", "annotations.json: holds a JSON list"),
        (lambda c: c.pop("categories") and None, "the key `categories` is missing"),
        (lambda c: c["annotations"][1].pop("image_id") and None, "annotations, id 2: lacks `image_id`"),
        (lambda c: c["annotations"][1].update(id=1), "annotations: the id 1 is given twice"),
        (lambda c: c["images"][1].update(id=1), "images: the id 1 is given twice"),
        (
            lambda c: c["annotations"][0].update(image_id="99"),
            "annotations, id 1: `image_id` is '99', not a whole number",
        ),
        (lambda c: c["annotations"][0].update(category_id=99), "annotation 1 (0001.png): its category 99"),
        (lambda c: c["annotations"][0].update(bbox=[0, 0, -1, 4]), "has a negative side"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]]), "of at least three points"),
    ],
)
def test_broken_annotations_are_found_before_the_first_cell(small, change, message):
    break_annotations(small, change)
    done = small("run", "small.yaml")
    assert done.code == 4, done.err
    assert "data set `shapes`" in done.err and message in done.err
    assert "Traceback" not in done.err


def test_a_missing_image_is_found_before_the_first_cell(small):
    (small.folder / "coco/images/0003.png").unlink()
    done = small("run", "small.yaml")
    assert done.code == 4
    assert "1 of 6 images are missing: 0003.png" in done.err and "Traceback" not in done.err


def test_a_truncated_image_costs_its_cells_and_is_named(small):
    path = small.folder / "coco/images/0003.png"
    path.write_bytes(path.read_bytes()[:300])
    done = small("run", "small.yaml")
    assert done.code == 1
    assert "0003.png: cannot be decoded" in done.err and "Traceback" not in done.err
    assert "1 of 6 images failed: 0003.png" in values(small)["good", "clean"]["reason"]
    assert all(r["value"] is None for r in values(small).values())


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("raise", "predict raised RuntimeError: the model fell over"),
        ("nan", "score 0 is not finite: nan"),
        ("inverted", "box 0 is inverted"),
        ("mask_size", "masks have shape"),
        ("label", "label 9 of instance 0 is not in 0..2"),
        ("length", "disagree in length"),
    ],
)
def test_a_model_that_misbehaves_once_costs_that_cell(small, mode, message):
    text = (small.folder / "small.yaml").read_text().replace("margin: 70", f"mode: {mode}")
    small.write("small.yaml", text)
    done = small("run", "small.yaml", "--workers", "1")
    assert done.code == 1
    assert done.err.count("FAILED") == 1 and "FAILED small.yaml::other::shapes::gaussian_noise-5: " in done.err
    assert "model `other`, 0002.png: " in done.err and message in done.err and "Traceback" not in done.err
    found = values(small)
    assert message in found["other", "gaussian_noise-5"]["reason"]
    assert found["other", "clean"]["value"] == 1.0 and found["good", "gaussian_noise-5"]["value"] is not None
    [cd] = [
        r for r in small.results("small").to_pylist() if (r["model"], r["metric"], r["task"]) == ("other", "CD", "segm")
    ]
    assert cd["value"] is None and "1 of 2 conditions are missing, first gaussian_noise-5" in cd["reason"]


def test_a_model_that_cannot_be_built_costs_its_cells(small):
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("margin: 70", "mode: build"))
    done = small("run", "small.yaml")
    assert done.code == 1 and done.err.count("FAILED") == 1
    # which unit is first, and with how many conditions, depends on the workers
    failed = r"FAILED small.yaml::other::shapes::\S+( and \d+ more)?: model `other`: RuntimeError: cannot be built"
    assert re.search(failed, done.err) and "4 failed" in done.err and "Traceback" not in done.err
    assert values(small)["good", "clean"]["value"] == 1.0
    assert "cannot be built" in values(small)["other", "clean"]["reason"]


def test_what_a_model_prints_does_no_harm(small):
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("margin: 70", "mode: print"))
    assert small("run", "small.yaml").code == 0


def test_a_network_file_that_is_no_network_costs_its_cells(small):
    for name in ("a.tflite", "b.onnx"):
        small.write(name, "this is no network\n" * 50)
    text = (small.folder / "small.yaml").read_text()
    text = text.replace(
        '{id: other, model: "./solver.py:build", options: {margin: 70}}',
        "{id: a, model: yolo/seg, weights: a.tflite}\n  - {id: b, model: yolo/seg, weights: b.onnx}",
    )
    small.write("small.yaml", text)
    done = small("run", "small.yaml")
    assert done.code == 1
    assert "a.tflite: not a TFLite network" in done.err and "b.onnx: not an ONNX network" in done.err
    assert "Traceback" not in done.err
    assert values(small)["good", "clean"]["value"] == 1.0


def test_x_stops_at_the_first_failure_and_lf_runs_what_failed(small):
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("margin: 70", "mode: raise"))
    done = small("run", "small.yaml", "-x", "--workers", "1")
    assert done.code == 1 and "stopped after 1 failed cells" in done.err
    [summary] = [line for line in done.err.splitlines() if " of 8 cells done" in line]
    assert "1 failed" in summary
    small("run", "small.yaml", "--fresh", "--workers", "1")
    listed = small("run", "small.yaml", "--lf", "--collect-only")
    assert listed.out.splitlines() == [
        "small.yaml::other::shapes::gaussian_noise-5",
        "1 cells, 7 not selected",
    ]


def test_a_failed_cell_is_tried_again_and_then_done(small):
    path = small.folder / "coco/images/0003.png"
    good = path.read_bytes()
    path.write_bytes(good[:300] + b"\0" * (len(good) - 300))
    assert small("run", "small.yaml").code == 1
    path.write_bytes(good)
    done = small("run", "small.yaml")
    assert done.code == 0 and "48 predictions made" in done.err
    assert values(small)["good", "clean"]["value"] == 1.0


def test_a_reference_that_failed_is_the_reason(small):
    text = (small.folder / "small.yaml").read_text().replace('{id: good, model: "./solver.py:build"}',
        '{id: good, model: "./solver.py:build", options: {mode: build}}')  # fmt: skip
    small.write("small.yaml", text)
    assert small("run", "small.yaml").code == 1
    rows = small.results("small").to_pylist()
    [cd] = [r for r in rows if (r["model"], r["metric"], r["task"]) == ("other", "CD", "segm")]
    assert cd["value"] is None and cd["reason"].startswith("reference: ") and "cannot be built" in cd["reason"]


def test_a_split_with_an_unknown_category_is_found_before_the_first_cell(small):
    text = (small.folder / "small.yaml").read_text() + "scoring: {splits: {round: [disk]}}\n"
    small.write("small.yaml", text)
    done = small("run", "small.yaml")
    assert done.code == 4 and "data set `shapes` has no category `disk` (did you mean `disc`?)" in done.err
    assert not (small.folder / "runs").exists()


def test_what_a_model_imports_from_beside_it_is_part_of_it(small):
    small.write("solver_parts/__init__.py", "")
    small.write("solver_parts/deep.py", "MARGIN = 47\n")
    small.write("solver_parts/middle.py", "from . import deep\n")
    small.write("solver.py", "from solver_parts import middle\n" + (small.folder / "solver.py").read_text())
    assert small("run", "small.yaml").code == 0
    small.write("solver_parts/deep.py", "MARGIN = 48\n")
    done = small("run", "small.yaml")
    assert done.code == 4 and "model.source" in done.err


def test_a_plugin_beside_a_suite_runs_from_anywhere_and_its_source_counts(small):
    plugin = """
    from segharness import CorruptionSpec, hookimpl

    def dusk(image, severity, rng):
        return image // (1 + severity)

    @hookimpl
    def segharness_corruptions():
        return [CorruptionSpec("dusk", apply="segharness_plugins:dusk")]
    """
    small.write("deep/segharness_plugins.py", plugin)
    text = (small.folder / "small.yaml").read_text().replace("fog-3", "dusk-1")
    small.write("deep/small.yaml", text.replace("./solver", "../solver").replace("s: coco/", "s: ../coco/"))
    done = small("run", "deep/small.yaml")
    assert done.code == 0, done.err
    small.write("deep/segharness_plugins.py", plugin.replace("image // (1 + severity)", "image // (2 + severity)"))
    done = small("run", "deep/small.yaml")
    assert done.code == 4 and "condition.source" in done.err


def test_a_metric_that_raises_costs_its_own_numbers_and_the_exit_code(small):
    small.write(
        "segharness_plugins.py",
        """
        from segharness import Metric, MetricSpec, hookimpl

        def score(request):
            raise SystemExit(0)

        @hookimpl
        def segharness_metrics():
            return [MetricSpec("odd", score=score, tasks=("segm",), metrics=(Metric("n"),))]
        """,
    )
    small.write("small.yaml", (small.folder / "small.yaml").read_text() + "scoring: {metrics: [coco, odd]}\n")
    done = small("run", "small.yaml")
    assert done.code == 1 and done.err.count("FAILED metric `odd`: SystemExit: 0") == 1
    assert values(small)["good", "clean"]["value"] == 1.0
    assert "metric `odd`" in values(small, "n")["good", "clean"]["reason"]


def test_a_run_does_not_overwrite_its_own_reference(small):
    small("run", "small.yaml")
    first = small.results("small")
    done = small(
        "run", "small.yaml", "--model", "solver.py:build,id=x", "--reference", "runs/small/results.arrow::good"
    )
    assert done.code == 4 and "would overwrite its own reference" in done.err
    assert small.results("small").equals(first)


def test_a_model_that_reads_or_closes_stdin_does_no_harm(small):
    text = (small.folder / "solver.py").read_text()
    small.write(
        "solver.py",
        text.replace("        self.calls += 1\n", "        self.calls += 1\n        import sys; sys.stdin.close()\n"),
    )
    assert small("run", "small.yaml", timeout=60).code == 0


def test_an_image_that_is_too_small_for_a_corruption_is_found_before_the_first_cell(small, make_coco):
    """The annotations say its size; it would cost every corrupted cell of every model."""
    import json

    from PIL import Image

    content = json.loads((small.folder / "coco/annotations.json").read_text())
    content["images"][2]["height"] = 30
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 3]
    small.write("coco/annotations.json", json.dumps(content))
    Image.new("RGB", (80, 30)).save(small.folder / "coco/images/0003.png")
    done = small("run", "small.yaml")
    assert done.code == 4 and not (small.folder / "runs").exists()
    assert "0003.png has 80x30 pixels, and gaussian_noise-5 and 2 more conditions need 32x32" in done.err
    assert small("run", "small.yaml", "-k", "clean", "-qq").code == 0
    done = small("datasets", "check", "coco/instances,annotations=coco/annotations.json,images=coco/images")
    assert "1 image is under 32x32, too small for" in done.out and "0003.png (80x30)" in done.out
