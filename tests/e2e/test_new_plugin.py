"""``segharness new plugin``: every choice of parts is a distribution; several are built, installed and tested."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys

import pytest
import tomlkit
import yaml
from segharness import UsageError
from segharness.scaffold import PARTS, new_plugin

from tests.distributions import build
from tools import docs_site

CHOICES = [choice for n in range(1, len(PARTS) + 1) for choice in itertools.combinations(PARTS, n)]


def test_every_choice_writes_files_that_are_read(tmp_path):
    assert len(CHOICES) == 63
    for number, choice in enumerate(CHOICES):
        files = new_plugin("my-acme", choice, tmp_path / str(number))
        names = {file.relative_to(tmp_path / str(number)).as_posix() for file in files}
        assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".github/workflows/ci.yml"} <= names
        assert {f"tests/test_{part}.py" for part in choice} <= names
        for file in files:
            text = file.read_text()
            assert "{{" not in text.replace("${{", "") and "{name}" not in text, file
            if file.suffix == ".py":
                ast.parse(text)
            elif file.suffix in (".yaml", ".yml"):
                assert yaml.safe_load(text)
            elif file.suffix == ".toml":
                assert tomlkit.parse(text)["project"]["name"] == "segharness-my-acme"


@pytest.mark.parametrize(
    "choice", [tuple(PARTS), *[(part,) for part in PARTS], ("model", "suite", "metric")], ids="-".join
)
def test_what_is_written_is_tidy_and_typed(tmp_path, choice):
    new_plugin("acme", choice, tmp_path / "acme")
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path / "acme", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def built(folder, wheels, name, choice):
    """Write and build a plugin; return its folder and its wheel."""
    new_plugin(name, choice, folder / name)
    build(folder / name, folder / "dist")
    [wheel] = (folder / "dist").glob(f"segharness_{name}-*.whl")
    return folder / name, wheel


@pytest.mark.slow
def test_a_plugin_of_every_part_passes_its_tests_and_works_together_with_ours(make_environment, wheels, tmp_path):
    environment = make_environment("segharness", "segharness-corruptions", "segharness-toycells")
    folder, wheel = built(tmp_path, wheels, "acme", tuple(PARTS))
    environment.install(str(wheel))
    done = environment.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", folder=folder, home=tmp_path
    )
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout + done.stderr
    place = environment.run("-c", "import segharness_acme as a; print(a.__file__)", folder=tmp_path, home=tmp_path)
    assert place.stdout.startswith(str(environment.folder))

    (tmp_path / "both").mkdir()
    (tmp_path / "both/both.yaml").write_text(
        """
segharness: 1
models:
  - {id: theirs, model: acme/colours}
  - {id: strict, model: acme/colours, options: {margin: 80}}
reference: theirs
datasets: [{dataset: acme/discs, id: discs, options: {count: 4}}]
conditions: [clean, acme/dusk-3, fog-3]
scoring: {metrics: [coco, acme-counting]}
"""
    )
    done = environment("run", "both.yaml", folder=tmp_path / "both", home=tmp_path)
    assert done.returncode == 0 and "counting error" in done.stdout, done.stdout + done.stderr
    done = environment(
        "run", "robustness", "--model", "acme/colours,id=theirs", "--dataset", "acme/discs,count=2", "-k", "fog or clean",
        "--out", "named", folder=tmp_path / "both", home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    done = environment(
        "report", "runs/both", "--format", "acme-json", "-o", "t.json", folder=tmp_path / "both", home=tmp_path
    )
    assert done.returncode == 0 and "theirs" in (tmp_path / "both/t.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("choice", [("suite",), ("model", "suite"), ("metric", "reporter")], ids="-".join)
def test_a_plugin_of_few_parts_passes_its_tests(make_environment, wheels, tmp_path, choice):
    environment = make_environment("segharness")
    folder, wheel = built(tmp_path, wheels, "few", choice)
    environment.install(str(wheel))
    done = environment.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", folder=folder, home=tmp_path
    )
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["coco", "segharness-torch"])
def test_a_name_that_is_taken_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="is there already: choose another name"):
        new_plugin(name, ("model",), tmp_path / "x")


def test_what_is_written_uses_the_public_api_alone(tmp_path):
    public = {"segharness", *docs_site.public_modules()}
    for file in new_plugin("acme", tuple(PARTS), tmp_path / "x"):
        for node in ast.walk(ast.parse(file.read_text())) if file.suffix == ".py" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "segharness":
                assert node.module in public or node.module == "segharness.testing.sample", file


@pytest.mark.parametrize(
    "name", ["", "segharness", "a" * 41, "Acme", "a b", "1acme", "acme_x", "class", "../acme", "acme-"]
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be the name of a plugin"):
        new_plugin(name, ("model",), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_command_says_what_is_next_and_replaces_nothing(harness):
    done = harness("new", "plugin", "segharness-acme", "--model")
    assert done.code == 0 and "next: cd segharness-acme && pip install -e" in done.err
    assert (harness.folder / "segharness-acme/segharness_acme/model.py").is_file()
    done = harness("new", "plugin", "acme", "--metric")
    assert done.code == 4 and "is there already" in done.err
    assert "name at least one of --model" in harness("new", "plugin", "other").err
    assert harness("new", "model", "other").code == 4
    assert "there is no folder nowhere" in harness("new", "plugin", "other", "--model", "-o", "nowhere/x").err
