"""``segharness compare --fail-if-worse``: a gate that closes by intervals, and never opens without having looked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from segharness.score.bootstrap import Interval
from segharness.score.compare import Difference
from segharness.score.gate import GateRule, gate_rules, judge
from segharness.testing import CommandLine

REPOSITORY = Path(__file__).resolve().parents[2]

SUITE = """
segharness: 1
models: [{{id: net, model: {model}}}, {{id: other, model: sample/blind}}]
reference: other
datasets: [sample/squares]
conditions: [clean, sample/dim-1, sample/dim-3]
seed: 3
"""
SAMPLE = ("-p", "segharness.testing.sample")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The command line beside two runs of one suite: ``before``, whose `net` finds all, and ``after``, which does not."""
    command = CommandLine(tmp_path_factory.mktemp("gate"))
    for name, model in (("before", "sample/finder"), ("after", "sample/blind"), ("failing", "sample/failing")):
        command.write(f"{name}/s.yaml", SUITE.format(model=model))
        done = command("run", f"{name}/s.yaml", "--out", name, "--bootstrap", "100", *SAMPLE)
        assert done.code in (0, 1), done.err
    return command


def test_a_worse_model_closes_the_gate_and_says_by_what(runs):
    done = runs("compare", "before::net", "after::net", "--fail-if-worse", "AP")
    assert done.code == 1
    said = "worse: after::net against before::net: AP (clean, segm, coco on sample-squares) -100.0 [-100.0, -100.0]"
    assert said in done.err

    assert "AP (clean, bbox, coco on sample-squares)" in done.err and "dim" not in done.err


def test_an_equal_or_better_model_opens_it(runs):
    done = runs("compare", "before::net", "before::other", "--fail-if-worse", "AP")
    assert done.code == 1
    done = runs("compare", "after::net", "before::net", "--fail-if-worse", "AP,AP@sample-dim-3,AP_avg")
    assert done.code == 0, done.err
    assert "not worse: before::net against after::net: AP (clean), AP (sample-dim-3)" in done.err


def test_a_stored_file_is_a_baseline(runs):
    done = runs("compare", "before/results.arrow::net", "after::net", "--fail-if-worse", "AP")
    assert done.code == 1 and "before/results.arrow::net" in done.err


def test_a_margin_is_in_points(runs):
    assert runs("compare", "before::net", "after::net", "--fail-if-worse", "AP", "--by", "99.9").code == 1
    done = runs("compare", "before::net", "after::net", "--fail-if-worse", "AP", "--by", "100")
    assert done.code == 0, "an interval that ends at the margin does not exceed it"


def test_what_cannot_be_judged_does_not_open_it(runs):
    done = runs("compare", "before::net", "failing::net", "--fail-if-worse", "AP@sample-dim-3")
    assert done.code == 4 and "cannot be judged: " in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--fail-if-worse", "PA"],
            "has that metric (known: AP, AP_avg, CD, mPC, rCD, rCD_pooled)",
        ),
        (["--fail-if-worse", "AP@dim-3"], "both models have no AP there (known: clean, sample-dim-1, sample-dim-3)"),
        (["--fail-if-worse", "AP,,"], "write METRIC or METRIC@CONDITION"),
        (["--fail-if-worse", ""], "write METRIC or METRIC@CONDITION"),
        (["--fail-if-worse", "AP", "--by", "-1"], "`-1` is not a number from 0"),
        (["--fail-if-worse", "AP", "--by", "nan"], "`nan` is not a number from 0"),
        (["--by", "1"], "--by is the margin of --fail-if-worse"),
    ],
)
def test_a_gate_that_looks_at_nothing_is_a_mistake(runs, arguments, message):
    done = runs("compare", "before::net", "after::net", *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


def test_a_model_that_is_gone_does_not_open_it(runs, tmp_path):
    runs.write("less/s.yaml", SUITE.format(model="sample/finder").replace(", {id: other, model: sample/blind}", "").replace(
        "reference: other", "reference: {results: ../before/results.arrow, model: other}"))  # fmt: skip
    runs("run", "less/s.yaml", "--out", "less", "--bootstrap", "100", *SAMPLE)
    done = runs("compare", "before", "less", "--fail-if-worse", "AP")
    assert done.code == 4 and "less has no results of `other`, which before has" in done.err


def difference(low, high, better="larger", metric="AP", unit="fraction", **more):
    middle = (low + high) / 2
    return Difference("d", "clean", "coco", "segm", "all", metric, (0.5, 0.5 + middle), middle, Interval(low, high),
                      better=better, unit=unit, **more)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "better", "by", "worse"),
    [
        (-0.02, -0.001, "larger", 0, True),
        (-0.02, 0.0, "larger", 0, False),
        (-0.02, 0.01, "larger", 0, False),
        (0.001, 0.02, "larger", 0, False),
        (0.001, 0.02, "smaller", 0, True),
        (-0.02, -0.001, "smaller", 0, False),
        (-0.02, -0.006, "larger", 0.5, True),
        (-0.02, -0.004, "larger", 0.5, False),
        (0.006, 0.02, "smaller", 0.5, True),
    ],
)
def test_the_whole_interval_must_be_on_the_wrong_side(low, high, better, by, worse):
    verdict = judge([GateRule("AP")], [difference(low, high, better)], by)
    assert (len(verdict.worse), len(verdict.held)) == ((1, 0) if worse else (0, 1))


def test_infinite_intervals_are_no_judgement():
    assert len(judge([GateRule("AP")], [difference(float("-inf"), -0.1)]).undecided) == 1


def test_rules_are_read():
    assert gate_rules("rCD, AP@fog-3") == [GateRule("rCD"), GateRule("AP", "fog-3")]


@pytest.mark.parametrize(("second", "code"), [("after::net", 1), ("before::net", 4), ("before::other", 1)])
def test_the_action_runs_its_script(runs, second, code):
    """The composite action's step, as a runner runs it: inputs in the environment, a file for the summary."""
    action = yaml.safe_load((REPOSITORY / ".github/actions/gate/action.yml").read_text())
    [step] = action["runs"]["steps"]
    given = {"baseline": "before::net", "results": second, "metrics": "AP", "by": action["inputs"]["by"]["default"]}
    values = {key: given[text.removeprefix("${{ inputs.").removesuffix(" }}")] for key, text in step["env"].items()}
    assert "${{" not in step["run"], "inputs reach the script by its environment, which no text can break out of"
    summary = runs.folder / f"summary-{second.replace(':', '-')}"
    wrapper = runs.folder / "bin/segharness"
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m segharness "$@"\n')
    wrapper.chmod(0o755)
    environment = runs.environment({**values, "GITHUB_STEP_SUMMARY": str(summary)})
    environment["PATH"] = f"{wrapper.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=runs.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert summary.read_text().startswith("```text\n") and ("worse: " in summary.read_text()) == (code == 1)
