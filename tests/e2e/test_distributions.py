"""What people install: every distribution as wheel and sdist, and a new user's first commands in an empty folder."""

from __future__ import annotations

import email
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import tomlkit

from tests.distributions import DISTRIBUTIONS, REPOSITORY, build

NAMES = [folder.name if folder != REPOSITORY else "segharness" for folder in DISTRIBUTIONS]
PLUGINS = [name for name in NAMES if name != "segharness"]
LIBRARIES = {"segharness-torch"}
"""What other plugins use, and what offers nothing itself."""


def wheel_of(wheels: Path, name: str) -> zipfile.ZipFile:
    [file] = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(file)


def metadata_of(wheel: zipfile.ZipFile) -> email.message.Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_says_what_an_index_shows(wheels, name):
    wheel = wheel_of(wheels, name)
    metadata = metadata_of(wheel)
    assert metadata["Name"] == name and metadata["Summary"] and metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    classifiers = metadata.get_all("Classifier")
    assert {"Programming Language :: Python :: 3", "Intended Audience :: Science/Research"} <= set(classifiers)
    licences = [file for file in wheel.namelist() if file.endswith("/licenses/LICENSE")]
    assert wheel.read(licences[0]) == (REPOSITORY / "LICENSE").read_bytes()
    readme = str(metadata.get_payload())
    assert readme.startswith("# ") and len(readme) > 200
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    typed = [file for file in wheel.namelist() if file.endswith("/py.typed")]
    assert bool(typed) == ("Typing :: Typed" in classifiers)


@pytest.mark.parametrize("name", NAMES)
def test_every_dependency_has_a_lower_bound(wheels, name):
    requirements = metadata_of(wheel_of(wheels, name)).get_all("Requires-Dist") or []
    own = [line for line in requirements if re.match(r"segharness\[", line)]
    assert [line for line in requirements if ">=" not in line and line not in own] == []
    if name != "segharness":
        assert any(re.match(r"segharness>=", line) for line in requirements)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_the_tree_is_in_the_wheel_and_nothing_else(wheels, name):
    folder = REPOSITORY if name == "segharness" else REPOSITORY / "plugins" / name
    package = folder / "harness/segharness" if name == "segharness" else folder / name.replace("-", "_")
    wanted = {
        file.relative_to(package.parent).as_posix()
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    if name == "segharness":
        wanted |= {f"segharness/{f.relative_to(REPOSITORY)}" for f in (REPOSITORY / "suites").rglob("*.yaml")}
        wanted |= {"segharness/troubleshooting.md"}
    packed = {file for file in wheel_of(wheels, name).namelist() if ".dist-info/" not in file}
    assert packed == wanted


@pytest.mark.parametrize("name", ["segharness", "segharness-coco"])
def test_an_sdist_builds_the_same_wheel(wheels, name, tmp_path):
    [file] = wheels.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    build(source, tmp_path / "dist")
    again, first = wheel_of(tmp_path / "dist", name), wheel_of(wheels, name)
    assert {n: again.read(n) for n in again.namelist()} == {n: first.read(n) for n in first.namelist()}


def test_an_index_would_take_them(wheels):
    files = sorted(map(str, wheels.iterdir()))
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_plugin_is_an_extra_and_in_all():
    project = tomlkit.parse((REPOSITORY / "pyproject.toml").read_text())["project"].unwrap()
    extras = project["optional-dependencies"]
    wanted = {name.removeprefix("segharness-") for name in PLUGINS if name not in LIBRARIES}
    assert extras.keys() == wanted | {"toy", "all"}
    assert all(re.fullmatch(rf"segharness-{name}>=[\d.]+", extras[name][0]) for name in wanted)
    assert extras["all"] == [f"segharness[{','.join(sorted(wanted))}]"]


@pytest.fixture(scope="module")
def toy(make_environment):
    return make_environment("segharness[toy]")


def test_a_new_user_gets_numbers_in_an_empty_folder(toy, tmp_path):
    (tmp_path / "empty").mkdir()
    done = toy("run", "robustness", "--limit", "4", folder=tmp_path / "empty", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "adaptis" in done.stdout and "rCD" in done.stdout
    assert (tmp_path / "empty/runs/robustness/results.arrow").is_file()
    source = toy.run("-c", "import segharness; print(segharness.__file__)", folder=tmp_path, home=tmp_path).stdout
    assert source.startswith(str(toy.folder)), "the checkout must not be what is tested"


def test_what_is_not_installed_is_named(toy, tmp_path):
    done = toy("run", "coco_yolo", folder=tmp_path, home=tmp_path)
    assert done.returncode == 4 and "Traceback" not in done.stderr
    assert "coco_yolo:" in done.stderr and "is installed: pip install segharness-yolo" in done.stderr
    assert "no dataset `coco/instances` is installed: pip install segharness-coco" in done.stderr
    done = toy("run", "robustness", "--executor", "ray", folder=tmp_path, home=tmp_path)
    assert done.returncode == 4 and "pip install segharness-ray" in done.stderr


def test_the_engine_alone_says_what_the_default_needs(make_environment, tmp_path):
    engine = make_environment("segharness")
    assert "robustness" in engine("suites", folder=tmp_path, home=tmp_path).stdout
    done = engine("run", "robustness", folder=tmp_path, home=tmp_path)
    assert done.returncode == 4
    for name in ("adaptis", "corruptions", "toycells", "toymaskrcnn"):
        assert f"pip install segharness-{name}" in done.stderr, done.stderr


def test_a_plugin_for_a_newer_api_is_left_out_and_the_rest_works(make_environment, tmp_path):
    package = tmp_path / "newer"
    (package / "segharness_newer").mkdir(parents=True)
    (package / "segharness_newer/__init__.py").write_text("raise RuntimeError('must not be imported')")
    (package / "pyproject.toml").write_text(
        """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "segharness-newer"
        version = "3.1"
        dependencies = ["segharness>=7.2"]
        [project.entry-points.segharness]
        newer = "segharness_newer"
        """
    )
    build(package, tmp_path / "dist")
    environment = make_environment("segharness", "segharness-toycells", "segharness-corruptions")
    environment.install(str(next((tmp_path / "dist").glob("*.whl"))), dependencies=False)
    done = environment("plugins", "--json", folder=tmp_path, home=tmp_path)
    [newer] = [p for p in json.loads(done.stdout)["plugins"] if p["name"] == "newer"]
    assert newer["needs"] == ">=7.2"
    assert newer["quarantined"] == "needs segharness >= 7.2, and 0.1.0 is installed: pip install -U segharness"
    arguments = ("--model", "toycells/threshold", "--limit", "1", "-k", "clean", "--out", "out")
    done = environment("run", "robustness", *arguments, folder=tmp_path, home=tmp_path)
    assert (
        done.returncode == 0 and "plugin `newer` (segharness-newer) is left out: needs segharness >= 7.2" in done.stderr
    )
