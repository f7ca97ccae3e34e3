"""A run from suite to table, on real files and real processes."""

from __future__ import annotations

import json
import sys

import pyarrow.ipc
from segharness.store import RESULTS, SCHEMA_VERSION


def rows(harness, **wanted):
    return [r for r in harness.results("small").to_pylist() if all(r[k] == v for k, v in wanted.items())]


def test_a_run_prints_the_table_and_writes_every_file(small):
    done = small("run", "small.yaml")
    assert done.code == 0, done.err
    assert "mask AP (coco) on shapes, percent; reference good" in done.out
    assert "8 of 8 cells done; 48 predictions made, 0 reused" in done.err
    folder = small.folder / "runs" / "small"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["suite"]["seed"] == 5
    used = {p["distribution"]: p["used"] for p in manifest["plugins"]}
    assert used["segharness"] and used["segharness-coco"] and used["segharness-corruptions"]
    assert not used["segharness-yolo"]
    for model in ("good", "other"):
        for condition in ("clean", "gaussian_noise-5", "fog-3", "mixed-1"):
            for kind in ("predictions", "images"):
                assert (folder / kind / model / "shapes" / condition / "00000.arrow").is_file()
    table = small.results("small")
    assert table.schema.names == RESULTS.names


def test_the_solver_is_perfect_on_clean_images_and_its_own_reference(small):
    small("run", "small.yaml")
    clean = rows(small, model="good", condition="clean", metric="AP", task="segm", category=None)
    assert [r["value"] for r in clean] == [1.0]
    assert clean[0]["n_images"] == 6
    [cd] = rows(small, model="good", condition="listed", metric="CD", task="segm")
    assert cd["value"] == 1.0
    assert cd["reference"] == "good"


def test_rows_that_no_condition_owns_have_no_corruption_and_no_severity(small):
    small("run", "small.yaml")
    for row in rows(small, condition="listed"):
        assert row["corruption"] is None and row["severity"] is None
    assert {r["metric"] for r in rows(small, condition="listed")} == {
        "AP_avg", "mPC", "rPC", "CD", "rCD", "rCD_pooled",
    }  # fmt: skip


def test_the_same_command_again_computes_nothing_and_gives_the_same_table(small):
    small("run", "small.yaml")
    first = small.results("small")
    again = small("run", "small.yaml")
    assert "0 predictions made, 48 reused" in again.err
    assert small.results("small").equals(first)


def test_results_do_not_depend_on_the_number_of_workers_or_the_executor(small):
    small("run", "small.yaml", "--workers", "1")
    first = small.results("small")
    small("run", "small.yaml", "--fresh", "--workers", "3")
    assert small.results("small").equals(first)
    small("run", "small.yaml", "--fresh", "--executor", "inline")
    assert small.results("small").equals(first)


def test_an_interrupted_fresh_run_is_continued_without_fresh(small):
    """What --fresh is about to replace is gone at once, so that nothing old is in the way of continuing."""
    small("run", "small.yaml")
    small.write("solver.py", (small.folder / "solver.py").read_text() + "\nchanged = True\n")
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("margin: 70", "mode: raise"))
    assert small("run", "small.yaml", "--fresh", "-x", "--workers", "1").code == 1
    done = small("run", "small.yaml", "--workers", "1")
    assert "made from other inputs" not in done.err and "reused" in done.err


def test_a_selection_leaves_the_other_models_numbers_alone(small):
    small.write("second.py", (small.folder / "solver.py").read_text())
    text = (
        (small.folder / "small.yaml")
        .read_text()
        .replace('id: other, model: "./solver.py', 'id: other, model: "./second.py')
    )
    small.write("small.yaml", text)
    small("run", "small.yaml")
    before = rows(small, model="other", metric="AP50")
    small.write("second.py", (small.folder / "second.py").read_text() + "\nchanged = True\n")
    assert small("run", "small.yaml", "-k", "good").code == 0
    assert rows(small, model="other", metric="AP50") == before
    assert "model.source" in small("run", "small.yaml").err
    partly = small("run", "small.yaml", "-k", "other and clean")
    assert partly.code == 4 and "model.source" in partly.err


def test_a_comment_in_a_models_file_makes_nothing_stale(small):
    small("run", "small.yaml")
    code = (small.folder / "solver.py").read_text()
    small.write("solver.py", "# as of today\n\n" + code.replace("\n", "  # a remark\n", 1) + "\n\n# the end\n")
    done = small("run", "small.yaml")
    assert done.code == 0 and "0 predictions made" in done.err, done.err
    small.write("solver.py", code + "\nprint('other code')\n")
    done = small("run", "small.yaml")
    assert done.code == 4 and "model.source" in done.err


def test_conditions_are_shared_out_where_there_are_more_workers_than_units(small):
    small("run", "small.yaml", "--workers", "1")
    first = small.results("small")
    done = small("run", "small.yaml", "--fresh", "--workers", "4")
    assert "48 predictions made" in done.err
    assert len(list((small.folder / "runs/small/logs").glob("worker-*.log"))) == 4
    assert small.results("small").equals(first)


def test_the_traceback_of_a_model_is_in_the_log(small):
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("margin: 70", "mode: raise"))
    assert "Traceback" not in small("run", "small.yaml").err
    logs = "".join(p.read_text() for p in (small.folder / "runs/small/logs").iterdir())
    assert "Traceback" in logs and 'raise RuntimeError("the model fell over")' in logs


def test_a_model_under_an_interpreter_of_its_own_gives_the_same_results(small):
    small("run", "small.yaml")
    first = small.results("small")
    text = (small.folder / "small.yaml").read_text().replace('build"', f'build", python: {sys.executable}')
    small.write("small.yaml", text)
    done = small("run", "small.yaml", "--out", "runs/foreign")
    assert done.code == 0, done.err
    assert small.results("foreign").equals(first)


def test_a_python_that_is_not_there_is_found_before_the_first_cell(small):
    text = (small.folder / "small.yaml").read_text().replace('build"', 'build", python: ./nowhere')
    small.write("small.yaml", text)
    done = small("run", "small.yaml")
    assert done.code == 4 and "nowhere" in done.err


def test_what_a_mixture_drew_is_recorded(small):
    small("run", "small.yaml")
    path = small.folder / "runs/small/images/good/shapes/mixed-1/00000.arrow"
    with pyarrow.OSFile(str(path)) as source:
        drawn = pyarrow.ipc.open_file(source).read_all().column("drawn").to_pylist()
    assert all(len(text.split(",")) == 4 for text in drawn)
    assert len(set(drawn)) > 1


def test_score_derives_the_same_results_without_the_models(small):
    small("run", "small.yaml")
    first = small.results("small")
    (small.folder / "solver.py").unlink()
    (small.folder / "runs/small/results.arrow").unlink()
    done = small("score", "runs/small")
    assert done.code == 0, done.err
    assert small.results("small").equals(first)


def test_pycocotools_gives_the_same_table_as_hotcoco(small):
    small("run", "small.yaml")
    first = small.results("small")
    assert small("score", "runs/small", "--engine", "pycocotools").code == 0
    assert small.results("small").equals(first)


def test_a_new_condition_runs_only_what_is_new(small):
    small("run", "small.yaml")
    text = (small.folder / "small.yaml").read_text().replace("mixed]", "mixed, snow-1]")
    small.write("small.yaml", text)
    done = small("run", "small.yaml")
    assert "12 predictions made, 48 reused" in done.err


def test_a_new_model_and_a_new_data_set_run_only_what_is_new(small, make_coco):
    small("run", "small.yaml")
    text = (small.folder / "small.yaml").read_text()
    third = '  - {id: third, model: "./solver.py:build", options: {margin: 60}}\nreference: good'
    small.write("small.yaml", text.replace("reference: good", third))
    assert "24 predictions made, 48 reused" in small("run", "small.yaml").err
    make_coco("more", count=2, seed=9)
    text = (small.folder / "small.yaml").read_text()
    more = """datasets:
  - id: more
    dataset: coco/instances
    options: {annotations: more/annotations.json, images: more/images}"""
    small.write("small.yaml", text.replace("datasets:", more))
    assert "24 predictions made, 72 reused" in small("run", "small.yaml").err


def test_a_changed_model_is_named_and_replaced_only_when_asked(small):
    small("run", "small.yaml")
    small.write("solver.py", (small.folder / "solver.py").read_text() + "\nchanged = True\n")
    done = small("run", "small.yaml")
    assert done.code == 4
    assert "model.source" in done.err and "--fresh" in done.err and "--out" in done.err
    assert small("run", "small.yaml", "--out", "elsewhere").code == 0
    fresh = small("run", "small.yaml", "--fresh")
    assert fresh.code == 0 and "48 predictions made" in fresh.err


def test_a_damaged_file_is_named_and_made_again(small):
    small("run", "small.yaml")
    first = small.results("small")
    victim = small.folder / "runs/small/predictions/good/shapes/fog-3/00000.arrow"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    victim.write_bytes(data)
    done = small("run", "small.yaml")
    assert done.code == 0
    assert "made again" in done.err and "fog-3/00000.arrow" in done.err
    assert "6 predictions made" in done.err
    assert small.results("small").equals(first)
