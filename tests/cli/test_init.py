"""``segharness init``: the suite that it writes is one, says what may be set, and runs."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from segharness.cli.commands.init import yaml_text

SAMPLE = ("-p", "segharness.testing.sample")


def test_it_writes_a_suite_that_runs(harness):
    done = harness(
        "init", "mine.yaml", "--model", "sample/finder", "--model", "sample/blind,id=blind", "--dataset",
        "sample/squares,limit=2", "--condition", "clean", "--condition", "sample/dim-3", *SAMPLE,
    )  # fmt: skip
    assert done.code == 0, done.err
    suite = yaml.safe_load((harness.folder / "mine.yaml").read_text())
    assert suite == {
        "segharness": 1,
        "models": [
            {"id": "sample-finder", "model": "sample/finder"},
            {"id": "blind", "model": "sample/blind"},
        ],
        "reference": "sample-finder",
        "datasets": [{"id": "sample-squares", "dataset": "sample/squares", "limit": 2}],
        "conditions": ["clean", "sample/dim-3"],
    }
    assert harness("run", "mine.yaml", *SAMPLE, "--bootstrap", "100").code == 0


def test_it_says_what_may_be_set_and_what_is_missing(harness):
    harness.write("net.py", "def build():\n    pass\n")
    done = harness("init", "--model", "./net.py:build", "--dataset", "coco/2017", "--condition", "paper15")
    assert done.code == 0 and "segharness config set data.coco DIR" in done.err
    text = (harness.folder / "suite.yaml").read_text()
    assert "  - id: net\n    model: ./net.py:build\n" in text
    assert "#   split: ...  # " in text and "  - {set: paper15}\n" in text and "# - {set: imagenet-c-all}" in text


def test_it_builds_on_a_suite_by_name(harness):
    assert harness("init", "--extends", "robustness", "--model", "toycells/watershed").code == 0
    assert "suite.yaml::toycells-watershed::toycells-quick::fog-3" in harness("collect", "suite.yaml").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name --model and --dataset"),
        (["a.txt", "--extends", "robustness"], "a.txt: a suite is a .yaml file"),
        (["there/a.yaml", "--extends", "robustness"], "there is no folder there"),
        (["--extends", "robustnes"], "did you mean `robustness`?"),
        (["--model", "sample/findr", "--dataset", "sample/squares", *SAMPLE], "did you mean `sample/finder`?"),
        (["--model", "sample/finder,x", "--dataset", "sample/squares", *SAMPLE], "`x` is not KEY=VALUE"),
        (["--model", "sample/finder", "--dataset", "sample/squares", "--condition", "fgo-3", *SAMPLE], "fog"),
        (["--model", "sample/finder", "--dataset", "sample/squares", "--reference", "me", *SAMPLE], "me"),
    ],
)
def test_mistakes_are_said_and_nothing_is_written(harness, arguments, message):
    done = harness("init", *arguments)
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert not list(harness.folder.glob("*.yaml")) and not list(harness.folder.glob(".*.yaml"))


def test_a_file_is_replaced_only_by_force(harness):
    harness.write("suite.yaml", "mine")
    assert "suite.yaml exists" in harness("init", "--extends", "robustness").err
    assert (harness.folder / "suite.yaml").read_text() == "mine"
    assert harness("init", "--extends", "robustness", "--force").code == 0


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029\ufeff"), min_size=1))
def test_every_text_is_read_again_as_it_was(text):
    assert str(yaml.load(f"key: {yaml_text(text)}  # more\n", yaml.BaseLoader)["key"]) == text
