"""Printed numbers on clean images stand under one's own metrics; differences only where data and settings agree."""

from __future__ import annotations

import csv

import pytest
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.plugin.specs import PublishedSpec
from segharness.score.published import read_published

from tests.streets import street, write_coco

HOST = PluginHost.load(PluginArguments())

PLUGIN = """
from segharness import PublishedSpec, hookimpl


@hookimpl
def segharness_published():
    box = {"dataset": "coco/2017", "images": IMAGES, "task": "segm"}
    measures = {"mask AP": {**box, "metric": "AP"}, "of cars": {**box, "metric": "AP", "split": "cars"}}
    return [
        PublishedSpec(
            "acme/metrics", tables={"AP": "acme_tables:metrics.csv"}, source="Acme, 2025", ids={"B": "b"}, measures=measures
        )
    ]
"""
SUITE = """segharness: 1
name: s
models: [{id: b, model: "./m.py:build"}]
datasets: [{id: coco, dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
scoring: {tasks: [segm], splits: {cars: [car]}}
"""
MODEL = """
import numpy as np
from segharness import Instances


class Model:
    categories = ["car", "person"]

    def predict(self, images, prompts=None):
        return [self.one(image) for image in images]

    def one(self, image):
        bright = image[..., 1] > 110
        return Instances(np.array([[0, 0, 9, 9.0]] * 2), np.array([0.9, 0.8]), np.arange(2), np.stack([bright, ~bright]))


def build():
    return Model()
"""


@pytest.fixture
def run(harness, tmp_path, monkeypatch):
    import numpy as np

    rng = np.random.default_rng(7)
    write_coco(tmp_path / "coco", {name: street(rng, 64, 96) for name in "abcdef"})
    harness.write("m.py", MODEL)
    harness.write("s.yaml", SUITE)
    harness.write("acme_tables/__init__.py", "")
    harness.write("acme_tables/metrics.csv", "model,mask AP,of cars\nB,10.0,5.0\nC,20.0,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert harness("run", "s.yaml", "--no-bootstrap").code == 0
    return harness


def test_differences_are_measured_minus_printed_by_split_too(run):
    run.write("acme_plugin.py", PLUGIN.replace("IMAGES", "6"))
    out = run("-p", "acme_plugin", "report", "runs/s", "--published", "acme/metrics", "--format", "csv").out
    rows = {line[1]: line[2:] for line in csv.reader(out.splitlines()) if line[0] == "printed: acme/metrics"}
    measured = {
        r["split"]: r["value"] for r in run.results("s").to_pylist() if r["metric"] == "AP" and r["category"] is None
    }
    assert rows["B (printed)"] == ["10.0000", "5.0000"] and rows["C (printed)"] == ["20.0000", ""]
    shown = [float(cell) for cell in rows["b: measured - printed"]]
    assert shown == pytest.approx([100 * measured["all"] - 10, 100 * measured["cars"] - 5], abs=1e-3)


def test_another_number_of_images_is_said_and_shows_no_difference(run):
    run.write("acme_plugin.py", PLUGIN.replace("IMAGES", "5000"))
    out = run("-p", "acme_plugin", "report", "runs/s", "--published", "acme/metrics").out
    assert "measured on 6 images, printed on 5000" in out and "measured - printed" not in out


def test_every_column_that_a_printed_table_measures_is_one_of_its_columns():
    found = {}
    for spec in HOST.all(PublishedSpec):
        columns = {column for row in read_published(spec) for column in row.values}
        assert spec.measures.keys() <= columns, spec.name
        if spec.measures:
            found[spec.name] = len(spec.measures)
    assert found == {
        **{"scnet/1": 7, "coco-to-cityscapes/iii": 12, "deepmac/1": 3, "deepmac/5": 3},
        **{"adaptis/1": 4, "adaptis/2": 4, "adaptis/3": 3, "adaptis/5": 3},
    }
