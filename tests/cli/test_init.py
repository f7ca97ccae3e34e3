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


def test_paths_are_those_of_the_working_directory_and_written_from_the_file(harness):
    harness.write("net.py", "def build():\n    pass\n")
    harness.write(
        "base.yaml", "segharness: 1\nmodels: [sample/finder]\ndatasets: [sample/squares]\nconditions: [clean]\n"
    )
    (harness.folder / "sub").mkdir()
    done = harness("init", "sub/a.yaml", "--model", "./net.py:build", "--dataset", "sample/squares", *SAMPLE)
    assert done.code == 0, done.err
    assert "model: ./../net.py:build" in (harness.folder / "sub/a.yaml").read_text()
    done = harness("init", "sub/b.yaml", "--extends", "base.yaml", "--reference", "sample-finder", *SAMPLE)
    assert done.code == 0, done.err
    content = yaml.safe_load((harness.folder / "sub/b.yaml").read_text())
    assert (content["extends"], content["reference"]) == ("../base.yaml", "sample-finder")
    done = harness("init", "c.yaml", "--extends", "base.yaml", "--reference", "nobody", *SAMPLE)
    assert done.code == 4 and "nobody" in done.err and not (harness.folder / "c.yaml").exists()


OPTIONS = """
from segharness import ModelSpec, Option, hookimpl
from segharness.testing.sample import Finder

@hookimpl
def segharness_models():
    return [ModelSpec("po/m", factory=Finder, description="one\\nseed: 9", options={"a": Option("x"), "b": Option("y")})]
"""


def test_values_are_read_as_the_command_line_reads_them_and_texts_stay_texts(harness):
    harness.write("po.py", OPTIONS)
    plugins = ("-p", "po", *SAMPLE)
    values = "a=-1,b=null"
    done = harness("init", "v.yaml", "--model", f"po/m,{values}", "--dataset", "sample/squares", *plugins)
    assert done.code == 0, done.err
    written = yaml.safe_load((harness.folder / "v.yaml").read_text())
    assert written["models"][0]["options"] == {"a": -1, "b": "null"} and "seed" not in written
    harness.write("w.yaml", "segharness: 1\ndatasets: [sample/squares]\nconditions: [clean]\n")
    shown = harness("collect", "w.yaml", "--resolved", "--model", f"po/m,{values}", *plugins)
    assert yaml.safe_load(shown.out)["models"][0]["options"] == {"a": -1, "b": "null"}


def test_nothing_else_is_written_or_replaced(harness):
    harness.write(".l.yaml.new.yaml", "precious")
    (harness.folder / "victim").write_text("precious")
    (harness.folder / "link.yaml").symlink_to("nowhere.yaml")
    (harness.folder / "dd.yaml").mkdir()
    arguments = ("--model", "sample/finder", "--dataset", "sample/squares", *SAMPLE)
    assert harness("init", "l.yaml", *arguments).code == 0
    assert (harness.folder / ".l.yaml.new.yaml").read_text() == "precious"
    assert "link.yaml exists" in harness("init", "link.yaml", *arguments).err
    for name, message in (
        ("dd.yaml", "is a folder"),
        ("/proc/x.yaml", "cannot be written"),
        (f"{'a' * 260}.yaml", "a"),
    ):
        done = harness("init", name, *arguments, "--force")
        assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert sorted(p.name for p in harness.folder.glob("[!.]*.yaml")) == ["dd.yaml", "l.yaml", "link.yaml"]


@pytest.mark.parametrize("condition", ["clean\n  - sample/dim-1", "clean\t", "\x85"])
def test_texts_with_control_characters_are_refused(harness, condition):
    done = harness("init", "--model", "sample/finder", "--dataset", "sample/squares", "--condition", condition, *SAMPLE)
    assert done.code == 4 and "has a character that no name or value in a suite needs" in done.err


def test_a_file_is_replaced_only_by_force(harness):
    harness.write("suite.yaml", "mine")
    assert "suite.yaml exists" in harness("init", "--extends", "robustness").err
    assert (harness.folder / "suite.yaml").read_text() == "mine"
    assert harness("init", "--extends", "robustness", "--force").code == 0


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf", "Co", "Cn"]), min_size=1))
def test_every_text_is_read_again_as_it_was(text):
    if text.isprintable():
        assert str(yaml.load(f"key: {yaml_text(text)}  # more\n", yaml.BaseLoader)["key"]) == text
