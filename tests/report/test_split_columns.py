"""Columns of other evaluations in the tables of a split: numbers of that split, or none."""

from __future__ import annotations

import pytest

PLUGIN = """
from segharness import Metric, MetricSpec, Score, hookimpl


def score(request):
    scores = [Score("size", 11.0)]
    if {by_split}:
        scores += [Score("size", 22.0, split=split.name) for split in request.splits]
    return scores


@hookimpl
def segharness_metrics():
    size = Metric("size", unit="px", column="size", better="neither", formula="a number")
    return [MetricSpec("sizes", score=score, tasks=("segm",), metrics=(size,))]
"""

SUITE = """
segharness: 1
models: [sample/finder]
reference: sample-finder
datasets: [sample/squares]
conditions: [clean, sample/dim-1]
scoring:
  metrics: [coco, sizes, speed]
  splits: {reds: [red]}
"""


@pytest.mark.parametrize(("by_split", "in_split"), [(True, "22"), (False, None)])
def test_a_split_has_its_own_number_or_none(harness, by_split, in_split):
    harness.write("sizes.py", PLUGIN.replace("{by_split}", str(by_split)))
    harness.write("s.yaml", SUITE)
    plugins = ("-p", "sizes.py", "-p", "segharness.testing.sample")
    done = harness("run", "s.yaml", "--out", "out", "--bootstrap", "100", *plugins)
    assert done.code == 0, done.err
    tables = done.out.split("mask AP (coco)")[1:]
    whole, reds = (
        next(t for t in tables if ("reds categories" in t.split("\n")[0]) == split) for split in (False, True)
    )
    row_of_whole, row = (next(line for line in t.split("\n") if "-finder " in line) for t in (whole, reds))
    assert "size [px]" in whole and " 11.0" in row_of_whole
    assert ("size [px]" in reds) == (in_split is not None)
    assert " 11.0" not in row and (in_split is None or f" {in_split}.0" in row)
    assert "fps" in reds, "frames per second are those of any split"
