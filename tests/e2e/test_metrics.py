"""What a metric declares is what tables, comparisons and degradation do with it."""

from __future__ import annotations

import json

import pytest

SAMPLE = ("-p", "segharness.testing.sample")

PLUGIN = """
from segharness import Metric, MetricSpec, Score, hookimpl


def score(request):
    found = request.predictions.num_rows
    values = {"offset": 0.25 if found else 3.5, "objects": float(1625 + found), "share": {share}}
    return [Score(name, value) for name, value in values.items()]


@hookimpl
def segharness_metrics():
    metrics = (
        Metric("offset", unit="px", better="smaller", column="offset", formula="made up"),
        Metric("objects", unit="count", better="neither"),
        Metric("share", degradation=True),
    )
    return [MetricSpec("acme", score=score, tasks=("segm",), metrics=metrics)]
"""

SUITE = """
segharness: 1
name: s
models: [sample/finder, sample/blind]
reference: sample-finder
datasets: [{dataset: sample/squares, id: squares}]
conditions: [clean, sample/dim-1, sample/dim-3]
scoring: {metrics: [coco, acme]}
"""


@pytest.fixture
def run(harness):
    def go(share="0.5", suite=SUITE):
        harness.write("segharness_plugins.py", PLUGIN.replace("{share}", share))
        harness.write("s.yaml", suite)
        return harness("run", "s.yaml", *SAMPLE, "--bootstrap", "100")

    go.harness = harness
    return go


def test_a_metric_with_a_unit_of_its_own_is_a_column_and_its_smallest_value_the_best(run):
    done = run()
    assert done.code == 0, done.err
    table = done.out.split("mask AP (coco)")[1].split("\n\n")[0]
    assert "offset" in table and "0.25" in table and "3.5" in table
    assert "offset [px]" in table and "  - offset [px]: smaller is better" in table
    assert "  - offset: under clean" in table
    assert "**0.250**" in run.harness("report", "runs/s", "--format", "markdown").out
    assert "**3.5**" not in run.harness("report", "runs/s", "--format", "markdown").out


def test_counts_are_shown_as_counts_and_nothing_is_the_best_of_them(run):
    run()
    shown = run.harness("report", "runs/s", "--metrics", "--format", "markdown").out
    [table] = [t for t in shown.split("### ") if t.startswith("every metric: mask offset (acme)")]
    assert "px" in table.splitlines()[0] and "percent" not in table.splitlines()[0]
    assert "| 1631 |" in table and "| 1625 |" in table and "162500" not in shown
    assert "- objects: count" in table and "- share: percent, larger is better" in table
    assert "[px]" not in table and "- smaller is better" in shown


def test_compare_says_which_is_better_by_the_declared_direction(run):
    run()
    done = run.harness("compare", "runs/s::sample-finder", "runs/s::sample-blind", "--format", "json")
    rows = {(row["metric"], row["condition"]): row for row in json.loads(done.out)}
    assert rows["offset", "clean"]["difference"] == 3.25 and rows["offset", "clean"]["unit"] == "px"
    assert rows["share_CD", "listed"]["difference"] == 0.0
    assert not any(metric == "objects" for metric, _ in rows)
    shown = run.harness("compare", "runs/s::sample-finder", "runs/s::sample-blind").out
    assert "offset [px]" in shown and "+3.2" in shown


SAMPLED = """
import numpy as np
from segharness import Metric, MetricSpec, Score, hookimpl


def score(request):
    offset = 1.0 if request.predictions.num_rows else 8.0
    noise = np.linspace(-0.2, 0.2, request.resamples.size) if request.resamples is not None else None
    samples = None if noise is None else offset + noise
    return [Score(name, offset, samples=samples) for name in ("error", "gain", "size")]


@hookimpl
def segharness_metrics():
    directions = {"error": "smaller", "gain": "larger", "size": "neither"}
    metrics = tuple(Metric(name, unit="px", better=better, column=name) for name, better in directions.items())
    return [MetricSpec("acme", score=score, tasks=("segm",), metrics=metrics)]
"""


def test_verdicts_follow_the_declared_direction(run):
    run.harness.write("segharness_plugins.py", SAMPLED)
    run.harness.write("s.yaml", SUITE)
    assert run.harness("run", "s.yaml", *SAMPLE, "--bootstrap", "100").code == 0
    for first, second, expected in (
        ("finder", "blind", {"error": "worse", "gain": "better", "size": "different"}),
        ("blind", "finder", {"error": "better", "gain": "worse", "size": "different"}),
    ):
        done = run.harness("compare", f"runs/s::sample-{first}", f"runs/s::sample-{second}", "--format", "json")
        verdicts = {row["metric"]: row["verdict"] for row in json.loads(done.out) if row["condition"] == "clean"}
        assert {metric: verdicts[metric] for metric in expected} == expected
    shown = run.harness("compare", "runs/s::sample-finder", "runs/s::sample-blind").out
    assert "worse by 7.0 [" in shown and "different: +7.0 [" in shown


def test_runs_whose_metrics_have_other_units_are_not_subtracted(run):
    for unit, out in (("ms", "first"), ("s", "second")):
        run.harness.write("segharness_plugins.py", SAMPLED.replace('"px"', f'"{unit}"'))
        run.harness.write("s.yaml", SUITE)
        assert run.harness("run", "s.yaml", *SAMPLE, "--bootstrap", "100", "--out", out).code == 0
    done = run.harness("compare", "first::sample-finder", "second::sample-finder", "--format", "json")
    rows = {row["metric"]: row for row in json.loads(done.out) if row["condition"] == "clean"}
    assert (
        rows["error"]["difference"] is None
        and "its unit is ms in the first run, s in the second" in rows["error"]["reason"]
    )


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ('[Score("offset", 1.0), Score("offset", 2.0)]', "returned `offset` twice"),
        ('[Score("offset", 1.0, split="nowhere")]', "of the split 'nowhere'"),
        ('[Score("offset", 1.0, category="nothing")]', "of the category 'nothing'"),
        ('[Score("offset", "1.0")]', "`offset` is a str, not a number"),
        ('[Score("offset", True)]', "`offset` is a bool, not a number"),
        ("[3]", "returned a int, not a Score"),
    ],
)
def test_scores_that_mean_nothing_are_refused(run, returned, problem):
    text = PLUGIN.replace("{share}", "0.5").replace("return [Score(name, value)", f"return {returned}  # ")
    run.harness.write("segharness_plugins.py", text)
    run.harness.write("s.yaml", SUITE)
    done = run.harness("run", "s.yaml", *SAMPLE)
    assert done.code == 1 and problem in done.err and "Traceback" not in done.err
    assert len(run.harness.results("s")) > 20


@pytest.mark.parametrize("value", ["Fraction(1, 2)", "np.float32(0.5)", "0.5"])
def test_numbers_of_any_kind_are_numbers_and_what_is_missing_is_said(run, value):
    text = PLUGIN.replace("{share}", "0.5").replace(
        "return [Score(name, value)", f'return [Score("share", {value})]  # '
    )
    run.harness.write("segharness_plugins.py", f"import numpy as np\nfrom fractions import Fraction\n{text}")
    run.harness.write("s.yaml", SUITE)
    assert run.harness("run", "s.yaml", *SAMPLE).code == 0
    rows = [r for r in run.harness.results("s").to_pylist() if r["evaluation"] == "acme" and r["condition"] == "clean"]
    assert {r["value"] for r in rows if r["metric"] == "share"} == {0.5}
    assert {r["reason"] for r in rows if r["metric"] == "offset"} == {"the evaluation returned no value"}


def test_speed_is_shown_beside_another_evaluation_of_its_task_and_on_its_own_data_set(run):
    second = SAMPLED.replace('"acme"', '"energy"').replace('tasks=("segm",)', 'tasks=("speed",), table=False')
    run.harness.write("segharness_plugins.py", second)
    suite = SUITE.replace("[coco, acme]", "[coco, speed, energy]")
    run.harness.write("s.yaml", suite)
    done = run.harness("run", "s.yaml", *SAMPLE)
    assert done.code == 0 and "fps" in done.out and "error [px]" in done.out
    datasets = "[{dataset: sample/squares, id: a}, {dataset: sample/squares, id: b}]"
    suite = suite.replace("[{dataset: sample/squares, id: squares}]", datasets)
    run.harness.write(
        "s.yaml",
        suite.replace("[coco, speed, energy]", "[{metric: coco, datasets: [b]}, {metric: speed, datasets: [a]}]"),
    )
    done = run.harness("run", "s.yaml", *SAMPLE, "--out", "two")
    assert "speed fps (speed) on a" in done.out, done.out + done.err


@pytest.mark.parametrize(("share", "problem"), [("16.25", "16.25, not a fraction"), ("float('nan')", "not a finite")])
def test_a_value_that_is_none_of_its_unit_is_refused(run, share, problem):
    done = run(share)
    assert done.code == 1 and problem in done.err and "Traceback" not in done.err
    rows = run.harness.results("s").to_pylist()
    assert {r["value"] for r in rows if r["evaluation"] == "acme"} == {None}
    assert {r["value"] for r in rows if r["metric"] == "AP" and r["category"] is None} != {None}


def test_a_metric_that_is_not_declared_is_refused(run):
    text = PLUGIN.replace('"share": {share}', '"other": 1.0')
    run.harness.write("segharness_plugins.py", text)
    run.harness.write("s.yaml", SUITE)
    done = run.harness("run", "s.yaml", *SAMPLE)
    assert done.code == 1 and "returned `other`, which it does not declare" in done.err


def test_what_a_metric_raises_keeps_its_traceback_in_the_log_and_under_v(run):
    run.harness.write("segharness_plugins.py", PLUGIN.replace("{share}", "1 / 0"))
    run.harness.write("s.yaml", SUITE)
    done = run.harness("run", "s.yaml", *SAMPLE)
    assert done.code == 1 and "metric `acme`: ZeroDivisionError" in done.err and "Traceback" not in done.err
    log = (run.harness.folder / "runs/s/logs/scoring.log").read_text()
    assert "Traceback" in log and "segharness_plugins.py" in log and "sample-finder::squares::clean" in log
    done = run.harness("score", "runs/s", "-v", "-q", *SAMPLE, "-p", "segharness_plugins")
    assert done.code == 1 and "Traceback" in done.err and "1 / 0" in done.err


def test_pq_has_averages_and_degradation(run):
    suite = SUITE.replace("[coco, acme]", "[panoptic]")
    done = run(suite=suite)
    assert done.code == 0, done.err
    values = {
        (row["model"], row["condition"], row["metric"]): row["value"]
        for row in run.harness.results("s").to_pylist()
        if row["category"] is None
    }
    clean = values["sample-finder", "clean", "PQ"]
    dim = [values["sample-finder", f"sample-dim-{severity}", "PQ"] for severity in (1, 3)]
    assert values["sample-finder", "listed", "PQ_avg"] == pytest.approx(sum(dim) / 2)
    assert values["sample-finder", "listed", "PQ_rPC"] == pytest.approx(sum(dim) / 2 / clean)
    assert "panoptic PQ (panoptic) on squares, percent; reference sample-finder" in done.out
    assert "CD and rCD: the error 1 - PQ" in done.out
    assert not any(metric.startswith("SQ_") and metric.endswith("CD") for _, _, metric in values)


def test_metrics_are_listed_with_unit_direction_and_formula(harness):
    shown = harness("metrics").out
    assert "fps" in shown and "per second" in shown and "smaller" in shown and "TP + FP/2 + FN/2" in shown
    [spec] = json.loads(harness("metrics", "panoptic", "--json").out)
    metrics = {metric["name"]: metric for metric in spec["metrics"]}
    assert metrics["PQ"]["degradation"] and metrics["PQ_rCD"]["better"] == "smaller"
    done = harness("metrics", "cocoo")
    assert done.code == 4 and "did you mean `coco`" in done.err


LOW = """
segharness: 1
name: s
models: [sample/finder, {id: weak, model: ./weak.py:build}]
reference: sample-finder
datasets: [{dataset: sample/squares, id: squares}]
conditions: [clean, {corruptions: [sample/dim], severities: [1]}]
"""


def test_rcd_is_not_bold_for_a_model_with_a_low_clean_ap(harness):
    import pyarrow as pa
    from segharness.report import make_report
    from segharness.store import RESULTS, manifest_of, read_results, write_results

    harness.write("s.yaml", LOW.replace("./weak.py:build", "sample/blind"))
    assert harness("run", "s.yaml", *SAMPLE).code == 0
    results = read_results(harness.folder / "runs/s")
    for clean, bold in ((0.5, False), (0.7, True)):
        rows = results.to_pylist()
        for row in rows:
            if row["task"] == "segm" and row["category"] is None and row["model"] == "weak":
                changed = {"AP": clean if row["condition"] == "clean" else 0.4, "rCD": 0.1, "rCD_pooled": 0.1}
                row["value"] = changed.get(row["metric"], row["value"])
            elif row["task"] == "segm" and row["category"] is None and row["metric"] in ("rCD", "rCD_pooled"):
                row["value"] = 1.0
        columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in RESULTS}
        written = write_results(
            harness.folder / "changed.arrow", pa.table(columns, schema=RESULTS), manifest_of(results)
        )
        table = make_report(written).tables[0]
        position = [column.heading for column in table.columns].index("rCD")
        entries = {name: entries[position] for name, entries in table.rows}
        assert table.is_best(position, entries["weak"], None) is bold
        assert len(table.legend) == 2 and "never bold" in table.legend[1]


MUTATING = """
from segharness import Metric, MetricSpec, Score, hookimpl


def score(request):
    request.ground_truth.content["annotations"].clear()
    request.options["a"] = 99
    return [Score("m", 0.5)]


@hookimpl
def segharness_metrics():
    return [MetricSpec("acme", score=score, tasks=("segm",), metrics=(Metric("m"),))]
"""


def test_what_a_metric_does_to_its_request_concerns_no_other(run):
    run.harness.write("segharness_plugins.py", MUTATING)
    run.harness.write("s.yaml", SUITE.replace("[coco, acme]", "[acme, coco]"))
    done = run.harness("run", "s.yaml", *SAMPLE)
    assert done.code == 0, done.err
    rows = run.harness.results("s").to_pylist()
    clean = {
        r["model"]: r["value"]
        for r in rows
        if (r["evaluation"], r["metric"], r["condition"], r["task"], r["category"])
        == ("coco", "AP", "clean", "segm", None)
    }
    assert clean == {"sample-finder": pytest.approx(1.0), "sample-blind": 0.0}
