"""``segharness report --published``: printed rows under one's own, with differences only where the protocols agree."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.conftest import SOLVER, write_coco

SUITE = """
segharness: 1
name: own
models:
  - {id: c4, model: "./solver.py:build"}
  - {id: fpn, model: "./solver.py:build", options: {margin: 70}}
  - {id: mine, model: "./solver.py:build", options: {margin: 30}}
reference: c4
datasets: [{id: coco, dataset: coco/2017, options: {root: data}}]
conditions: [clean, fog, snow-3, mixed]
scoring: {tasks: [segm]}
"""


DROPPING = "coco/2017,id=coco,root=data,labels.disc=drop"

PLUGIN = """
from dataclasses import replace
from segharness import hookimpl
from segharness_published import plugin

@hookimpl
def segharness_published():
    for spec in plugin.segharness_published():
        if spec.name in ("robustness/ib", "robustness/iii"):
            yield replace(spec, name=spec.name.replace("robustness", "small"), images=4)
"""


@pytest.fixture
def own(harness, tmp_path):
    write_coco(tmp_path / "made", count=4)
    (harness.folder / "data/annotations").mkdir(parents=True)
    (tmp_path / "made/annotations.json").rename(harness.folder / "data/annotations/instances_val2017.json")
    (tmp_path / "made/images").rename(harness.folder / "data/val2017")
    harness.write("solver.py", SOLVER)
    harness.write("small_printed.py", PLUGIN)

    def run(conditions="clean, fog-3, snow-3, mixed", *words):
        harness.write("own.yaml", SUITE.replace("clean, fog, snow-3, mixed", conditions))
        done = harness("run", "own.yaml", "--no-bootstrap", "-qq", *words)
        assert done.code == 0, done.err
        return harness

    return run


def cells(harness, *words):
    """Titles, and rows by name of every table, from the CSV."""
    done = harness("report", "runs/own", "--format", "csv", *words)
    assert done.code == 0, done.err
    return list(csv.reader(io.StringIO(done.out))), done


def numbers(harness, model):
    rows = harness.results("own").to_pylist()
    return {r["condition"]: 100 * r["value"] for r in rows
            if r["model"] == model and r["metric"] == "AP" and r["category"] is None and r["value"] is not None}  # fmt: skip


def test_rows_stand_under_ones_own_with_differences_for_the_same_ids(own):
    harness = own()
    done = harness("report", "runs/own", "--published", "-p", "small_printed")
    assert done.code == 0 and "printed: small/ib" in done.out and "Table Ib" in done.out
    ours = done.out[done.out.index("printed: small/ib") :]
    assert "YOLACT++ (printed)" in ours and "c4: measured - printed" in ours and "mine: measured" not in ours
    assert "other conditions are averaged here" in ours
    assert done.out.index("printed: robustness/ia") > done.out.index("mask AP (coco) on coco")
    assert "printed: small/iii" not in done.out  # box AP


def test_the_differences_are_measured_minus_printed(own):
    harness = own()
    done = harness("report", "runs/own", "--published", "small/ib", "--digits", "3", "-p", "small_printed")
    lines = done.out[done.out.index("printed: small/ib") :].splitlines()
    printed = next(line for line in lines if line.strip().startswith("C4 (printed)")).split()[2:]
    difference = next(line for line in lines if "c4: measured - printed" in line).split("printed")[1].split()
    own_numbers = numbers(harness, "c4")
    assert float(printed[0]) == 34.3 and float(printed[1]) == 7.5
    assert float(difference[0]) == pytest.approx(own_numbers["clean"] - 34.3, abs=0.002)
    assert float(difference[1]) == pytest.approx(own_numbers["mixed-1"] - 7.5, abs=0.002)
    assert difference[2:5] == ["-", "-", "-"]  # other conditions are averaged
    assert float(difference[-2]) == pytest.approx(own_numbers["fog-3"] - 25.9, abs=0.002)
    assert float(difference[-1]) == pytest.approx(own_numbers["snow-3"] - 15.9, abs=0.002)


def test_nothing_measured_changes(own):
    harness = own()
    plain, both = harness("report", "runs/own").out, harness("report", "runs/own", "--published").out
    before, after = plain.split("\n\n")[0], both.split("\n\n")[0]
    assert before == after and "c4" in before


@pytest.mark.parametrize(
    ("conditions", "words", "told"),
    [
        ("clean, fog-1, snow-1, mixed", (), "measured at severity 1, printed at 3"),
        ("clean, fog-3, snow-3, mixed", ("--limit", "2"), "measured on the first 2 images alone"),
        ("clean, fog-3, snow-3, glass_blur-3, mixed", (), "1 conditions here were not printed"),
        ("clean, fog-3, snow-3, mixed", (), "measured on 4 images, printed on 5000"),
        (
            "clean, fog-3, snow-3, mixed",
            ("--dataset", "coco/2017,id=coco,root=data,labels.disc=drop"),
            "a policy for categories",
        ),
    ],
)
def test_where_the_protocols_differ_it_is_said_and_no_difference_is_shown(own, conditions, words, told):
    harness = own(conditions, *words)
    done = harness("report", "runs/own", "--published", "robustness/ib")
    assert done.code == 0 and told in done.out and "so no differences are shown" in done.out
    assert "measured - printed" not in done.out and "C4 (printed)" in done.out


def test_other_data_are_shown_only_if_they_are_asked_for(harness, tmp_path):
    write_coco(harness.folder / "coco", count=2)
    harness.write("solver.py", SOLVER)
    options = "{annotations: coco/annotations.json, images: coco/images}"
    harness.write(
        "other.yaml", SUITE.replace("coco/2017, options: {root: data}", f"coco/instances, options: {options}")
    )
    assert harness("run", "other.yaml", "--no-bootstrap", "-qq", "--out", "runs/small").code == 0
    done = harness("report", "runs/small", "--published")
    assert done.code == 0 and "printed: " not in done.out and "no printed table is on the same task" in done.err
    done = harness("report", "runs/small", "--published", "robustness/ib")
    assert "printed: robustness/ib" in done.out and "measured on coco/instances, printed on coco/2017" in done.out
    done = harness("report", "runs/small", "--published", "robustness/ig")
    assert done.code == 4 and "no published table `robustness/ig`" in done.err


def test_of_the_printed_conditions_averages_and_degradation_are_compared(own):
    harness = own("clean, paper15, mixed")
    done = harness("report", "runs/own", "--published", "small/ib", "--digits", "3", "-p", "small_printed")
    lines = done.out[done.out.index("printed: small/ib") :].splitlines()
    difference = next(line for line in lines if "c4: measured - printed" in line).split("printed")[1].split()
    rows = {(r["metric"], r["condition"]): r["value"] for r in harness.results("own").to_pylist()
            if r["model"] == "c4" and r["category"] is None}  # fmt: skip
    assert float(difference[2]) == pytest.approx(100 * rows["AP_avg", "paper15"] - 19.1, abs=0.002)


@pytest.mark.parametrize("name", ["csv", "markdown", "latex", "svg"])
def test_documents_have_them_too(own, name):
    harness = own()
    done = harness("report", "runs/own", "--published", "robustness/ib", "--format", name)
    assert done.code == 0 and "QueryInst" in done.out
    assert json.dumps(done.out)
