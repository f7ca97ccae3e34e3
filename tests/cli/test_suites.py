"""Suites by name: ``segharness suites``, and running and extending what plugins offer, in a folder of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

SUITES = Path(__file__).resolve().parents[2] / "suites"

PLUGIN = """
from segharness import SuiteSpec, hookimpl


@hookimpl
def segharness_suites():
    return [SuiteSpec("acme/squares", file={file!r}, description="three squares")]
"""

SQUARES = """
segharness: 1
models: [sample/finder]
datasets: [sample/squares]
conditions: [clean]
"""


@pytest.fixture
def acme(harness):
    """The command line in a folder with a package that offers a suite; loaded by what this returns."""
    harness.write("acme_plugin/__init__.py", PLUGIN.format(file="acme_plugin:suites/squares.yaml"))
    harness.write("acme_plugin/suites/squares.yaml", SQUARES)
    return harness, ("-p", "acme_plugin", "-p", "segharness.testing.sample")


def test_every_file_of_the_repository_has_its_name_and_a_description(harness):
    listed = {suite["name"]: suite for suite in json.loads(harness("suites", "--json").out)}
    names = {file.relative_to(SUITES).with_suffix("").as_posix() for file in SUITES.rglob("*.yaml")}
    assert listed.keys() == names
    assert all(suite["description"] for suite in listed.values())


def test_one_suite_is_printed_as_it_is(harness):
    assert harness("suites", "paper/table1a").out == (SUITES / "paper/table1a.yaml").read_text()
    family = harness("suites", "paper").out
    assert "paper/table4" in family and "robustness " not in family


def test_an_unknown_suite_is_a_mistake(harness):
    done = harness("suites", "robustnes")
    assert done.code == 4 and "no suite `robustnes` (did you mean `robustness`?)" in done.err


def test_every_suite_is_planned_by_its_name_in_an_empty_folder(harness):
    for name in sorted(file.relative_to(SUITES).with_suffix("").as_posix() for file in SUITES.rglob("*.yaml")):
        done = harness("collect", name, "-q")
        without_models = name in ("streets", "panoptic", "partially_supervised")
        assert done.code == (5 if without_models else 0), done.err
        assert ("no models: give `models`" in done.err) == without_models


def test_a_plugins_suite_runs_by_its_name(acme):
    command, plugins = acme
    done = command("run", "acme/squares", *plugins, "--bootstrap", "100")
    assert done.code == 0, done.err
    assert (command.folder / "runs/squares/results.arrow").is_file()


def test_ones_own_suite_extends_a_name(acme):
    command, plugins = acme
    command.write("mine.yaml", "segharness: 1\nextends: acme/squares\nmodels: [sample/blind]\n")
    done = command("collect", "mine.yaml", *plugins)
    assert done.out.splitlines()[0] == "mine.yaml::sample-blind::sample-squares::clean"


def test_a_path_wins_over_a_name(acme):
    command, plugins = acme
    command.write("acme/squares", SQUARES.replace("finder", "failing"))
    assert "squares::sample-failing::" in command("collect", "acme/squares", *plugins).out
    command.write("mine.yaml", "segharness: 1\nextends: acme/squares\n")
    assert "sample-failing" in command("collect", "mine.yaml", *plugins).out


def test_a_mistake_in_a_named_base_says_where_it_is(acme):
    command, plugins = acme
    command.write("acme_plugin/suites/squares.yaml", SQUARES.replace("conditions", "condition"))
    command.write("mine.yaml", "segharness: 1\nextends: acme/squares\n")
    done = command("collect", "mine.yaml", *plugins)
    assert done.code == 4 and "acme/squares:4:1" in done.err and "condition" in done.err


def test_a_file_that_is_not_in_its_package_is_named(acme):
    command, plugins = acme
    (command.folder / "acme_plugin/suites/squares.yaml").unlink()
    for done in (command("run", "acme/squares", *plugins), command("suites", "acme/squares", *plugins)):
        assert (
            done.code == 4 and "SuiteSpec `acme/squares`: file" in done.err and "install its plugin again" in done.err
        )


@pytest.mark.parametrize("file", ["suites/squares.yaml", "/etc/passwd", "acme:../x.yaml", 3])
def test_a_file_that_is_in_no_package_leaves_the_plugin_out(acme, file):
    command, plugins = acme
    command.write("acme_plugin/__init__.py", PLUGIN.format(file=file))
    assert "not 'package:path/in/it.yaml'" in command("suites", *plugins).err


def test_a_file_that_is_no_text_is_named(acme):
    command, plugins = acme
    (command.folder / "acme_plugin/suites/squares.yaml").write_bytes(b"segharness: 1 # \xff\n")
    done = command("suites", "acme/squares", *plugins)
    assert done.code == 4 and "its file cannot be read" in done.err and "Traceback" not in done.err


def test_python_knows_the_names_too(tmp_path):
    from segharness import run
    from segharness.testing import check_suite

    assert len(check_suite("robustness")) == 85
    table = run("robustness", out=tmp_path / "out", models=["toycells/threshold"], limit=1, k="clean", bootstrap=0)
    scored = [row for row in table.to_pylist() if row["metric"] == "AP" and row["value"] is not None]
    assert {row["condition"] for row in scored} == {"clean"}


def test_what_a_suite_offers_is_read_by_yaml(harness):
    assert yaml.safe_load(harness("suites", "robustness").out)["segharness"] == 1
