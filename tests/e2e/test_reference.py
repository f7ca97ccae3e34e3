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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--limit", "3"), "datasets.shapes.limit: nothing -> 3"),
        (("seed: 5", "seed: 6"), "conditions.gaussian_noise-5.seed: 5 -> 6"),
        (("fog-3, mixed", "fog-3"), "conditions.mixed-1: only in the first"),
        (("fog-3, mixed", "fog-2, mixed"), "conditions.fog-2: only in the second"),
        (
            ("conditions:", "scoring: {metrics: [coco, speed]}\nconditions:"),
            "scoring.metrics.speed: only in the second",
        ),
        (("conditions:", "scoring: {tasks: [segm]}\nconditions:"), "scoring.tasks.bbox: only in the first"),
    ],
)
def test_what_differs_between_protocols_is_named(stored, change, message):
    """Which field, the old value and the new one: never two lists that are cut."""
    arguments = change if change[0].startswith("--") else ()
    if not arguments:
        stored.write("small.yaml", (stored.folder / "small.yaml").read_text().replace(*change))
    done = stored("run", "small.yaml", "--out", "second", *arguments, "--reference", "runs/small/results.arrow::good")
    assert done.code == 4 and message in done.err and "..." not in done.err, done.err


def test_a_limit_that_leaves_nothing_out_is_none(stored):
    done = stored("run", "small.yaml", "--limit", "6", "-qq")
    assert done.code == 0, done.err
    assert stored("compare", "runs/small").code == 0
    done = stored(
        "run", "small.yaml", "--limit", "6", "--out", "second", "--reference", "runs/small/results.arrow::good"
    )
    assert done.code == 0, done.err
    import json

    manifests = [json.loads((stored.folder / f"{run}/manifest.json").read_text()) for run in ("runs/small", "second")]
    assert manifests[0]["protocol"] == manifests[1]["protocol"]
    assert manifests[1]["suite"]["datasets"][0]["limit"] is None
