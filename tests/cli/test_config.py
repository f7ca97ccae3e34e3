"""``segharness config``, and where the folders of data sets come from."""

from __future__ import annotations

import sys

import pytest

SUITE = """
segharness: 1
models: [toycells/threshold]
datasets: [{dataset: coco/2017, options: {split: val2017}}]
conditions: [clean]
"""


@pytest.fixture
def folder(small):
    """The small data set, laid out as COCO 2017 in three folders of other names."""
    for name in ("given", "environment", "configured"):
        root = small.folder / name
        (root / "annotations").mkdir(parents=True)
        text = (small.folder / "coco/annotations.json").read_text()
        (root / "annotations/instances_val2017.json").write_text(text)
        (small.folder / "coco/images").rename(root / "val2017") if name == "given" else (root / "val2017").symlink_to(
            small.folder / "given/val2017"
        )
    small.write("s.yaml", SUITE)
    return small


def root_of(harness, *arguments, env=None):
    done = harness("collect", "s.yaml", "--resolved", *arguments, env=env)
    assert done.code == 0, done.err
    [line] = [line for line in done.out.splitlines() if "root:" in line]
    return line.rpartition("/")[2]


def test_settings_are_set_shown_and_forgotten(harness):
    (harness.folder / "data").mkdir()
    done = harness("config", "set", "data.coco", "data")
    assert done.code == 0 and done.out.startswith(f"data.coco = {harness.folder}/data")
    assert harness("config", "get", "data.coco").out == f"{harness.folder}/data\n"
    assert harness("config", "set", "data.other", "data").code == 0
    assert harness("config", "list").out.splitlines() == [
        f"data.coco = {harness.folder}/data",
        f"data.other = {harness.folder}/data",
    ]
    assert harness("config", "unset", "data.coco").code == 0
    missing = harness("config", "get", "data.coco")
    assert missing.code == 4 and "segharness config set data.coco DIR" in missing.err


def test_what_else_the_file_holds_stays(harness):
    file = harness.write(".config/segharness/config.toml", '# mine\n[data]\ncoco = "/x"  # old\n')
    (harness.folder / "data").mkdir()
    assert harness("config", "set", "data.lvis", "data").code == 0
    assert file.read_text().startswith('# mine\n[data]\ncoco = "/x"  # old\n')


def test_an_interpreter_that_no_plugin_uses_is_noted(harness):
    done = harness("config", "set", "python.mmdett", sys.executable)
    assert done.code == 0 and "no plugin has models of `mmdett`; plugins have models of detectron2, mmdet" in done.err
    assert harness("config", "set", "python.mmdet", sys.executable).err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "coco", "."), "coco: no such setting; there are data.NAME"),
        (("set", "data.coco", "nowhere"), "nowhere: no such folder"),
        (("unset", "data.coco"), "has no data.coco"),
    ],
)
def test_mistakes_are_named(harness, arguments, message):
    done = harness("config", *arguments)
    assert done.code == 4 and message in done.err


@pytest.mark.parametrize(
    ("text", "message"), [("[data", "not TOML"), ("colour = 1", "`colour` is no setting"), ("[data]\nx = 1", "data.x")]
)
def test_a_broken_file_is_named(harness, text, message):
    harness.write(".config/segharness/config.toml", text)
    done = harness("config", "list")
    assert done.code == 4 and message in done.err and "config.toml" in done.err


def test_a_root_comes_from_the_variable_the_environment_or_the_settings(folder):
    lacking = folder("run", "s.yaml")
    assert lacking.code == 4
    assert "s.yaml:3:12: data set `coco/2017` needs the option `root`" in lacking.err
    assert "`--var coco=DIR`" in lacking.err and "`segharness config set data.coco DIR`" in lacking.err
    assert folder("config", "set", "data.coco", "configured").code == 0
    assert root_of(folder) == "configured"
    environment = {"coco": str(folder.folder / "environment")}
    assert root_of(folder, env=environment) == "environment"
    assert root_of(folder, "--var", f"coco={folder.folder}/given", env=environment) == "given"


def test_what_a_suite_says_wins(folder):
    folder("config", "set", "data.coco", "configured")
    folder.write("s.yaml", SUITE.replace("{split:", "{root: given, split:"))
    assert root_of(folder) == "given"


def test_variables_of_suites_have_the_values_of_settings(folder):
    folder.write("s.yaml", SUITE.replace("{split:", '{root: "${pictures}", split:'))
    done = folder("run", "s.yaml")
    assert done.code == 4 and "variable `pictures` has no value; give `--var pictures=VALUE`" in done.err
    folder("config", "set", "data.pictures", "configured")
    assert root_of(folder) == "configured"
