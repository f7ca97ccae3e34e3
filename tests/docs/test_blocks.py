"""Every code block of the documentation that does not say why it is not: commands are run, suites loaded, Python executed.

`segharness run` is run with ``--collect-only``: everything is read, checked and planned, nothing is predicted.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys

import numpy as np
import pytest
import yaml
from PIL import Image
from segharness.testing import CommandLine

from tests.conftest import write_coco
from tests.docs.blocks import REPOSITORY, blocks, commands

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

RUN = [block for block in blocks() if block.is_run]
PAPERS_CATEGORIES = ("person", "bicycle", "car", "truck", "bus", "train", "motorcycle", "cat", "dog")

MODEL = """
class Model:
    categories = ["person", "car"]

    def predict(self, images, prompts=None):
        return []


def build(device="cpu", score=0.0, weights=None):
    return Model()
"""

STREETS = """
segharness: 1
models: [{id: mine, model: ./my_model.py:build}]
reference: mine
datasets:
  - {id: coco, dataset: coco/instances, options: {annotations: DIR/annotations.json, images: DIR/images}}
  - {id: streets, dataset: coco/instances, options: {annotations: DIR/annotations.json, images: DIR/images}}
conditions: [clean]
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A folder in which the pages' commands find what they name: data, models, a run, an image, a table."""
    command = CommandLine(tmp_path_factory.mktemp("stage"))
    folder = command.folder
    shutil.copytree(REPOSITORY / "suites", folder / "suites")
    data = write_coco(folder / "DIR", count=2)
    content = json.loads((data / "annotations.json").read_text())
    content["categories"] += [{"id": 100 + i, "name": name} for i, name in enumerate(PAPERS_CATEGORIES)]
    (data / "annotations.json").write_text(json.dumps(content))
    (data / "annotations").mkdir()
    for name in ("val2017", "train2017", "fog-3", "clean"):
        shutil.copytree(data / "images", data / name)
    for name in ("instances_val2017.json", "panoptic_val2017.json"):
        shutil.copy(data / "annotations.json", data / "annotations" / name)
    shutil.copy(data / "annotations.json", folder / "instances_val2017.json")
    for name in ("their_output", "our_output", "detectron2_out", "mm"):
        (folder / name).mkdir()
    command.write("my_model.py", MODEL)
    command.write("other.py", MODEL)
    command.write("base.yaml", STREETS)
    command.write("weights.pt", "")
    Image.fromarray(np.full((64, 80, 3), 120, np.uint8)).save(folder / "photo.jpg")
    python = command.write("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for block in blocks():
        if block.page == "README.md" and block.file == "my_suite.yaml":
            command.write("my_suite.yaml", block.text)
        if block.file == "segharness_plugins.py":
            command.write(block.file, block.text)
    models = [word for name in ("threshold", "watershed") for word in ("--model", f"toycells/{name},id={name}")]
    done = command("run", "suites/robustness.yaml", "--limit", "2", *models, "--reference", "threshold")
    assert done.code == 0, done.err
    return command


def placed(text: str, stage: CommandLine) -> str:
    """A command with the stage's own paths for those that a reader has: data sets, interpreters, suites."""
    pairs = {
        "/data/cityscapes": "DIR",
        "/data/coco": "DIR",
        "/envs/mmdet/bin/python": "./python",
        "/envs/detectron2/bin/python": "./python",
        "/shared/runs": "shared/runs",
        "corrupted_cells/fog-3": "DIR/fog-3",
        "corrupted_cells/annotations": "DIR/annotations",
        "SUITE": "suites/robustness.yaml",
        "IMAGE": "photo.jpg",
    }
    for theirs, here in pairs.items():
        text = text.replace(theirs, here)
    return text


@pytest.mark.parametrize("block", [b for b in RUN if b.language == "bash"], ids=str)
def test_commands_run(block, stage):
    for command in commands(block.text):
        words = shlex.split(placed(command, stage))
        if words[:1] != ["segharness"] and words[:3] != ["python", "-m", "segharness"]:
            continue  # README's own two: .ci/run has them
        words = words[1:] if words[0] == "segharness" else words[3:]
        redirected = words.index(">") if ">" in words else len(words)
        words = words[:redirected]
        if words[0] == "run":
            words.append("--collect-only")
        done = stage(*words)
        checked = words[:2] == ["datasets", "check"]  # the stage has no Cityscapes: that is what it says
        assert done.code == 0 or (checked and done.code == 1), f"{command}\n{done.out}{done.err}"
        assert "Traceback" not in done.err


def is_no_suite(block):
    return block.file is not None and block.file.startswith(("segharness_acme/", ".github/"))


def test_the_workflow_of_the_page_is_what_the_schema_allows(tmp_path):
    import subprocess

    [block] = [b for b in blocks() if b.file is not None and b.file.startswith(".github/workflows/")]
    (tmp_path / "workflow.yml").write_text(block.text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(tmp_path / "workflow.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", [b for b in RUN if b.language == "yaml" and not is_no_suite(b)], ids=str)
def test_suites_load(block, stage):
    """A whole suite as it stands; a part of one laid over a small suite of two data sets."""
    text = (
        placed(block.text, stage).replace("../env/bin/python", "./python").replace("/envs/dino/bin/python", "./python")
    )
    text = text.replace("../runs/old/results.arrow", "runs/robustness/results.arrow").replace(
        "model: r50", "model: threshold"
    )
    content = yaml.safe_load(text)
    if "segharness" in content:
        stage.write("page.yaml", text)
        done = stage("collect", "page.yaml", "--var", "coco=DIR")
    else:
        datasets = {d["id"] for d in content.get("datasets", ()) if isinstance(d, dict)}
        text = f"segharness: 1\nextends: base.yaml\n{text}"
        if "models" in content:
            text += "reference: null\n"
        stage.write("page.yaml", text)
        done = stage("collect", "page.yaml", *(f"--var={name}=DIR" for name in ("coco",) if f"${{{name}" in text))
        assert done.code == 0, done.err
        assert datasets <= {line.split("::")[2] for line in done.out.splitlines() if "::" in line}, done.err
    assert done.code == 0, done.err


@pytest.mark.parametrize("block", [b for b in RUN if b.language == "toml"], ids=str)
def test_toml_is_read(block):
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", [b for b in RUN if b.language == "python" and b.file is None], ids=str)
def test_python_runs(block):
    exec(compile(block.text, str(block), "exec"), {"image": np.full((64, 80, 3), 120, np.uint8)})


@pytest.mark.parametrize("block", [b for b in RUN if b.language == "python" and b.file is not None], ids=str)
def test_python_files_import(block, stage):
    """A file of a page is written and imported; those of one page may import each other."""
    for other in RUN:
        if other.page == block.page and other.language == "python" and other.file is not None:
            stage.write(f"{block.page}.files/{other.file}", other.text)
    module = block.file.removesuffix(".py").replace("/", ".")
    folder = stage.folder / f"{block.page}.files"
    import subprocess

    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_model_of_the_readme_runs(tmp_path):
    command = CommandLine(tmp_path)
    [block] = [b for b in blocks() if b.page == "README.md" and b.file == "my_model.py"]
    command.write("my_model.py", block.text)
    command.write("s.yaml", "segharness: 1\ndatasets: [toycells/quick]\nconditions: [clean, fog-3]\n")
    done = command("run", "s.yaml", "--model", "my_model.py:build,id=mine", "--limit", "2", "--no-bootstrap")
    assert done.code == 0, done.err
    values = command.results("s").to_pylist()
    assert {r["value"] is not None for r in values if r["metric"] == "AP" and r["split"] == "all"} == {True}


def test_the_plugin_of_the_guide_passes_its_own_tests(tmp_path):
    """docs/plugins.md from end to end: its files make a plugin, which is found and passes the tests that it shows."""
    import subprocess

    command = CommandLine(tmp_path)
    for block in blocks():
        if block.page == "docs/plugins.md" and block.file is not None and block.language in ("python", "yaml"):
            command.write(block.file, block.text)
    environment = command.environment({"PYTHONPATH": str(tmp_path)})
    shown = command("models", "acme/tiny", "-p", "segharness_acme.plugin")
    assert shown.code == 0 and "our tiny model" in shown.out, shown.err
    planned = command("collect", "acme/night", "-p", "segharness_acme.plugin")
    assert "acme/night::tiny::acme-dots::acme-grain-3" in planned.out.split("\n"), planned.err
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "8 passed" in done.stdout, done.stdout + done.stderr
