"""Named protocols: what a seal fixes, running under one, comparing two, and sealing one's own."""

from __future__ import annotations

import json
import shutil

import pytest
from segharness import read_results
from segharness.errors import StoreError
from segharness.protocols import Seal, seal_of_results
from segharness.testing import CommandLine

from tests.bundle_desk import BOOTSTRAP, SAMPLE, SUITE


def sealed(command, text, name="squares-1.0"):
    """Seal a protocol and return its seal; the folder is ``sealed/NAME``."""
    command.write(f"drafts/{name}/suite.yaml", text)
    out = f"sealed/{name}"
    shutil.rmtree(command.folder / out, ignore_errors=True)
    done = command("protocols", "seal", f"drafts/{name}", "-o", out, *SAMPLE, *BOOTSTRAP)
    assert done.code == 0, done.err
    return Seal.read(command.folder / out / "seal.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The command line beside the sealed protocol ``sealed/squares-1.0``."""
    command = CommandLine(tmp_path_factory.mktemp("protocols"))
    sealed(command, SUITE)
    return command


def test_a_model_is_run_under_it_against_its_reference(made):
    done = made(
        "run", "--protocol", "sealed/squares-1.0", "--model", "sample/blind", "--out", "blind", *SAMPLE, *BOOTSTRAP
    )
    assert done.code == 0, done.err
    rows = read_results(made.folder / "blind").to_pylist()
    assert {row["reference"] for row in rows if row["metric"] == "CD"} == {"finder"}
    assert {row["model"] for row in rows} == {"sample-blind"}
    done = made("protocols", "blind", "sealed/squares-1.0", *SAMPLE)
    assert done.code == 0 and "are the same protocol" in done.out, done.out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("seed: 3", "seed: 4"), "seed: 3 -> 4"),
        (("dataset: sample/squares", "dataset: sample/squares, sample: 2"), "sample"),
        (("dataset: sample/squares", "dataset: sample/squares, limit: 2"), "limit: nothing -> 2"),
        (("dataset: sample/squares", "dataset: sample/squares, categories: [red]"), "categories"),
        (("dataset: sample/squares", "dataset: sample/squares, labels: {blue: drop}"), "labels"),
        (("[1, 3]", "[1, 2]"), "sample-dim-3: only in the first"),
        (("name: dims", "name: others"), "others"),
        (("tasks: [segm, bbox]", "tasks: [segm]"), "scoring.tasks"),
        (
            ("tasks: [segm, bbox]", "metrics: [{metric: coco, id: few, options: {max_dets: [1, 5, 50]}}]"),
            "scoring",
        ),
        (("model: sample/finder", "model: sample/blind"), "reference.numbers"),
        (("finder", "other"), None),
    ],
)
def test_whatever_can_change_a_number_makes_another_protocol(made, change, words):
    if words is None:
        text = SUITE.replace("id: finder", "id: other").replace("reference: finder", "reference: other")
        words = "reference.model: finder -> other"
    else:
        text = SUITE.replace(*change)
    assert text != SUITE
    other = sealed(made, text, "changed-1.0")
    assert other.id != Seal.read(made.folder / "sealed/squares-1.0/seal.json").id
    done = made("protocols", "sealed/squares-1.0", "sealed/changed-1.0", *SAMPLE)
    assert done.code == 1 and words in done.out, done.out


def test_what_changes_no_number_makes_no_other_protocol(made):
    text = SUITE.replace("datasets: [{", "report: [parts]\ndescription: words\ndatasets: [{tags: [small], ")
    text = text.replace("scoring: {tasks", "scoring: {metrics: [coco], tasks")
    first = Seal.read(made.folder / "sealed/squares-1.0/seal.json")
    assert sealed(made, text, "same-1.0").id == first.id


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--model", "sample/blind", "--dataset", "sample/squares"],
            "--dataset: the protocol `squares-1.0` fixes that",
        ),
        (["--model", "sample/blind", "--limit", "1"], "--limit: the protocol `squares-1.0` fixes that"),
        (["--model", "sample/blind", "--reference", "x"], "--reference: the protocol `squares-1.0` fixes that"),
        (["--model", "sample/blind", "robustness"], "takes the place of suites: leave out robustness"),
        ([], "name the models, --model NAME"),
    ],
)
def test_nothing_on_the_command_line_changes_it(made, arguments, message):
    done = made("run", "--protocol", "sealed/squares-1.0", *arguments, *SAMPLE)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err


def test_a_suite_that_is_not_what_was_sealed_is_refused_before_the_first_cell(made):
    shutil.copytree(made.folder / "sealed/squares-1.0", made.folder / "forged/squares-1.0", dirs_exist_ok=True)
    made.write("forged/squares-1.0/suite.yaml", SUITE.replace("[1, 3]", "[1]"))
    done = made("run", "--protocol", "forged/squares-1.0", "--model", "sample/blind", "--out", "forged-run", *SAMPLE)
    assert done.code == 4 and "Traceback" not in done.err
    assert not (made.folder / "forged-run/predictions").exists()


def test_a_seal_that_was_edited_is_refused(made, tmp_path):
    file = made.folder / "sealed/squares-1.0/seal.json"
    content = json.loads(file.read_text())
    for change in ({"scorer": 2}, {"reference": {"model": "x", "numbers": "y"}}, {"id": "0" * 32}):
        (tmp_path / "seal.json").write_text(json.dumps({**content, **change}))
        with pytest.raises(StoreError, match="and that of its content"):
            Seal.read(tmp_path / "seal.json")
    for text in ("{}", "[]", "nothing", '{"id": 1}'):
        (tmp_path / "seal.json").write_text(text)
        with pytest.raises(StoreError):
            Seal.read(tmp_path / "seal.json")


def test_another_scorer_is_another_protocol(made, tmp_path):
    seal = Seal.read(made.folder / "sealed/squares-1.0/seal.json")
    shutil.copytree(made.folder / "sealed/squares-1.0", made.folder / "newer/squares-1.0", dirs_exist_ok=True)
    Seal(seal.protocol, seal.sets, seal.reference, 99).write(made.folder / "newer/squares-1.0/seal.json")
    done = made("run", "--protocol", "newer/squares-1.0", "--model", "sample/blind", "--out", "newer-run", *SAMPLE)
    assert done.code == 4 and "was sealed under the scorer 99, and this segharness has 1" in done.err


def test_a_sealed_folder_is_never_replaced(made):
    done = made("protocols", "seal", "drafts/squares-1.0", "-o", "sealed/squares-1.0", *SAMPLE)
    assert done.code == 4 and "a sealed protocol is never replaced" in done.err


def test_results_say_what_they_were_made_under(made):
    made("run", "--protocol", "sealed/squares-1.0", "--model", "sample/blind", "--out", "blind", *SAMPLE, *BOOTSTRAP)
    assert seal_of_results(made.folder / "blind") == Seal.read(made.folder / "sealed/squares-1.0/seal.json")


def test_drafts_and_unknown_names_say_what_to_do(harness):
    done = harness("run", "--protocol", "robustness-1.0", "--model", "toycells/threshold")
    assert done.code == 4 and "is a draft" in done.err and "segharness protocols seal robustness-1.0" in done.err
    done = harness("protocols", "toy-1")
    assert done.code == 4 and "did you mean `toy-1.0`?" in done.err
    assert "no suite.yaml in it" in harness("protocols", "./nowhere").err
    assert "write `segharness protocols seal NAME -o DIR`" in harness("protocols", "seal", "toy-1.0").err
    assert "two to compare" in harness("protocols", "a", "b", "c").err
    assert "are for `segharness protocols seal NAME`" in harness("protocols", "--var", "a=b").err
