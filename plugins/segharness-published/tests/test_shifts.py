"""Printed rows of a table over data sets stand under one's own; differences only where the protocols agree."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.streets import street, write_cityscapes, write_coco

MODEL = """
import numpy as np
from segharness import Instances


class Model:
    categories = ["car", "person", "bus", "bicycle"]

    def __init__(self, margin):
        self.margin = margin

    def predict(self, images, prompts=None):
        return [self.one(image) for image in images]

    def one(self, image):
        bright = image[..., 1] > self.margin
        masks = np.stack([bright, ~bright, bright, ~bright])
        boxes = np.array([[0, 0, 9, 9.0]] * 4)
        return Instances(boxes, np.array([0.9, 0.8, 0.7, 0.6]), np.arange(4), masks)


def build(margin=100, resolution="model"):
    return Model(margin)
"""
SUITE = """segharness: 1
name: s
models:
  - {id: a, model: "./m.py:build"}
  - {id: b-net, model: "./m.py:build", options: {margin: 130}}
reference: a
datasets:
  - {id: coco_val, dataset: coco/2017, options: {root: coco}}
  - {id: cityscapes_val, dataset: cityscapes/instances, options: {root: city}, labels: {rider: person}, resolution: original}
conditions: [clean]
shifts: [{name: streets, clean: coco_val, datasets: [cityscapes_val]}]
scoring: {tasks: [segm]}
"""
PLUGIN = """
from segharness import PublishedSpec, hookimpl


@hookimpl
def segharness_published():
    street = {"dataset": "cityscapes/instances", "images": 2, "resolution": "RESOLUTION", "labels": {"rider": "person"}}
    return [
        PublishedSpec(
            "acme/shift", tables={"AP": "acme_tables:shift.csv"}, source="Acme, 2025", task="segm", clean="coco_val",
            reference="A", ids={"B": "b-net"}, printed={"cd": "CD"}, sets={"streets": ("cityscapes_val",)},
            datasets={"coco_val": {"dataset": "coco/2017", "images": 3, "resolution": "model"}, "cityscapes_val": street},
        )
    ]
"""


@pytest.fixture
def run(harness, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    write_coco(tmp_path / "coco", {name: street(rng, 64, 96) for name in "abc"})
    names = ("aachen_000000_000019", "bonn_000001_000019")
    write_cityscapes(tmp_path / "city", {name: street(rng, 64, 96) for name in names})
    harness.write("m.py", MODEL)
    harness.write("s.yaml", SUITE)
    harness.write("acme_tables/__init__.py", "")
    harness.write("acme_tables/shift.csv", "model,coco_val,cityscapes_val,CD\nA,10.0,5.0,100\nB,20.0,8.0,97\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    done = harness("run", "s.yaml", "--no-bootstrap")
    assert done.code == 0, done.err
    return harness


def test_differences_are_shown_where_data_size_and_policies_agree(run):
    run.write("acme_plugin.py", PLUGIN.replace("RESOLUTION", "original"))
    report = ("-p", "acme_plugin", "report", "runs/s", "--published", "acme/shift")
    out = run(*report, "--format", "csv")
    assert out.code == 0, out.err
    lines = list(csv.reader(out.out.splitlines()))
    rows = {line[1]: line for line in lines if line[0] == "printed: acme/shift"}
    heading = next(line for line in lines if line[:2] == ["table", "row"])
    assert rows["A (printed)"][heading.index("coco_val")] == "10.0000"
    measured = {
        (r["model"], r["dataset"]): r["value"]
        for r in run.results("s").to_pylist()
        if r["metric"] == "AP" and r["category"] is None and r["condition"] == "clean"
    }
    difference = float(rows["b-net: measured - printed"][heading.index("cityscapes_val")])
    assert difference == pytest.approx(100 * measured["b-net", "cityscapes_val"] - 8.0, abs=1e-3)
    cd = [r["value"] for r in run.results("s").to_pylist() if r["metric"] == "CD" and r["model"] == "b-net"]
    assert float(rows["b-net: measured - printed"][heading.index("CD")]) == pytest.approx(100 * cd[0] - 97, abs=1e-3)


def test_another_resolution_or_number_of_images_is_said_and_shows_no_difference(run):
    run.write("acme_plugin.py", PLUGIN.replace("RESOLUTION", "model").replace('"images": 3', '"images": 5000'))
    out = run("-p", "acme_plugin", "report", "runs/s", "--published", "acme/shift").out
    assert "cityscapes_val: measured at `resolution: original`, printed at `model`" in out
    assert "coco_val: measured on 3 images, printed on 5000" in out and "no differences are shown" in out
    assert "measured - printed" not in out


def test_the_papers_rows_stand_under_ones_own(run):
    out = run("report", "runs/s", "--published", "robustness/iia").out
    assert "printed: robustness/iia" in out and "GNscr (printed)" in out
    assert "cityscapes_val: measured on 2 images, printed on 500" in out
