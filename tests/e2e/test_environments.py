"""Models that live in other environments."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys

import pytest
from segharness.store import PREDICTIONS, read_table

FOREIGN_PLUGIN = """
from segharness import ForeignSpec, ModelSpec, hookimpl


@hookimpl
def segharness_models():
    return [
        ModelSpec("acme/elsewhere", description="lives in another environment",
                  foreign=ForeignSpec("acme_models:foreign_model.py:build")),
        ModelSpec("acme/here", factory="acme_models.there:build", description="lives in this one"),
    ]
"""


def test_a_plugin_offers_a_model_whose_framework_lives_in_another_environment(small):
    solver = (small.folder / "solver.py").read_text()
    small.write("lib/acme_models/__init__.py", "raise ImportError('this package is not for this environment')\n")
    small.write("lib/acme_models/foreign_model.py", solver)
    small.write("segharness_plugins.py", FOREIGN_PLUGIN)
    text = (small.folder / "small.yaml").read_text()
    there = text.replace('"./solver.py:build", options: {margin: 70}', f'acme/elsewhere, python: "{sys.executable}"')
    path = {"PYTHONPATH": str(small.folder / "lib")}
    small.write("small.yaml", there)
    done = small("run", "small.yaml", env=path)
    assert done.code == 0, done.err
    found = {
        (r["model"], r["condition"], r["task"], r["metric"]): r["value"] for r in small.results("small").to_pylist()
    }
    ours = {key[1:]: value for key, value in found.items() if key[0] == "good" and key[3] in ("AP", "AP50")}
    assert ours and all(found[("other", *key)] == value for key, value in ours.items())
    manifest = json.loads((small.folder / "runs/small/manifest.json").read_text())
    environment = manifest["environments"]["other"]
    assert environment["python"] == platform.python_version()
    assert environment["packages"]["numpy"] == importlib.metadata.version("numpy")
    small.write("small.yaml", text.replace('"./solver.py:build", options: {margin: 70}', "acme/elsewhere"))
    done = small("run", "small.yaml", env=path)
    assert done.code == 4 and "model `acme/elsewhere` needs `python:`" in done.err
    small.write(
        "small.yaml",
        text.replace('"./solver.py:build", options: {margin: 70}', f'acme/here, python: "{sys.executable}"'),
    )
    done = small("run", "small.yaml", env=path)
    assert done.code == 4 and "model `acme/here` runs in this environment" in done.err


@pytest.mark.parametrize(
    ("python", "told"),
    [
        ("#!/bin/sh\nexit 3\n", "it must be Python 3.8 or newer; it ended with exit code 3"),
        ("#!/bin/sh\necho hello\n", "it must be Python 3.8 or newer; it ended with exit code 0"),
        ("#!/bin/sh\necho No module named json >&2; exit 1\n", "its last words: No module named json"),
        ("#!/nowhere/python\n", "cannot be started"),
        (f'#!/bin/sh\nexec "{sys.executable}" -S -s "$@"\n', "its environment lacks numpy"),
    ],
)
def test_an_interpreter_that_cannot_serve_is_refused_before_the_first_cell(small, python, told):
    file = small.write("bad/python", python)
    file.chmod(0o755)
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace("margin: 70}}", "margin: 70}, python: bad/python}"))
    done = small("run", "small.yaml")
    assert done.code == 4, done.err
    assert done.err.count("error:") == 1 and f"model `other`: python: {file}" in done.err and told in done.err
    done = small("run", "small.yaml", "-k", "good")
    assert done.code == 0, done.err


NUMPY = """
import numpy as np
from solver import Solver


class Dated(Solver):
    def __init__(self, wanted):
        super().__init__("", 47, 0.0)
        assert np.__version__.startswith(wanted), np.__version__


def build(wanted):
    return Dated(wanted)
"""


@pytest.mark.slow
def test_one_run_with_models_in_two_environments_of_conflicting_numpy(small):
    """What they find equals what the model finds in the worker's own process."""
    import venv

    small.write("dated.py", NUMPY)
    lines = []
    for name, version in (("old", "1.26.4"), ("new", "2.2.6")):
        venv.create(small.folder / name, with_pip=True)
        python = small.folder / name / "bin/python"
        subprocess.run([python, "-m", "pip", "install", "-q", f"numpy=={version}"], check=True)
        options = f'options: {{wanted: "{version}"}}'
        lines.append(f'  - {{id: {name}, model: "./dated.py:build", {options}, python: "{python}"}}')
    text = (small.folder / "small.yaml").read_text()
    small.write("small.yaml", text.replace("reference: good", "\n".join([*lines, "reference: good"])))
    done = small("run", "small.yaml")
    assert done.code == 0, done.err
    folder = small.folder / "runs/small/predictions"
    for condition in ("clean", "gaussian_noise-5", "fog-3", "mixed-1"):
        own, old, new = (
            read_table(folder / model / "shapes" / condition / "00000.arrow", PREDICTIONS)[0]
            for model in ("good", "old", "new")
        )
        assert old.equals(own) and new.equals(own)
        assert own.num_rows or condition != "clean"
