"""A reference from stored results: comparable under one protocol, refused under another."""

from __future__ import annotations

import pytest


@pytest.fixture
def stored(small):
    assert small("run", "small.yaml", "-qq").code == 0
    return small


def cd(harness, model):
    rows = harness.results("small").to_pylist()
    return {r["reference"]: r["value"] for r in rows if (r["model"], r["metric"], r["task"]) == (model, "CD", "segm")}


def test_stored_results_serve_as_the_reference(stored):
    expected = cd(stored, "other")["good"]
    done = stored(
        "run", "small.yaml", "--model", "solver.py:build,id=other,margin=70",
        "--reference", "runs/small/results.arrow::good", "--out", "runs/second",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = stored.results("second").to_pylist()
    found = [r for r in rows if (r["metric"], r["task"]) == ("CD", "segm")]
    assert [(r["reference"], r["value"]) for r in found] == [("good", expected)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "runs/small/results.arrow"], "has several models (good, other)"),
        (["--reference", "runs/small/results.arrow::bad"], "has no model `bad`"),
        (["--reference", "runs/small/results.arrow::good", "--limit", "3"], "was made under protocol"),
        (["--reference", "small.yaml.arrow"], "no file"),
        (["--reference", "nobody"], "is not among the models"),
    ],
)
def test_what_cannot_serve_is_found_before_the_first_cell(stored, arguments, message):
    done = stored("run", "small.yaml", "--out", "second", *arguments)
    assert done.code == 4, done.err
    assert message in done.err
    assert not (stored.folder / "second").exists()
