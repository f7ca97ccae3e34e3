"""Weights: the file a model gets, the sha256 it must have, and that it is part of what predictions are made from."""

from __future__ import annotations

import hashlib

import pytest

GIVEN, SHIPPED = b"the user's weights", b"the plugin's weights"

MODEL = """
from pathlib import Path
import numpy as np
from segharness import Instances


class Model:
    categories = ("square", "disc")

    def predict(self, images, prompts=None):
        nothing = Instances(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros((0, *images[0].shape[:2]), bool))
        return [nothing for _ in images]


def build(weights, device="cpu"):
    Path("given.txt").write_bytes(Path(weights).read_bytes())
    return Model()
"""

PLUGIN = """
from segharness import ModelSpec, WeightsSpec, hookimpl


@hookimpl
def segharness_models():
    weights = WeightsSpec({weights!r}, shipped={file!r}, sha256={digest!r})
    return [ModelSpec("acme/model", factory="acme.model:build", weights=weights)]
"""

SUITE = """
segharness: 1
name: small
models:
  - {{id: a, model: acme/model{more}}}
datasets:
  - id: shapes
    dataset: coco/instances
    options: {{annotations: coco/annotations.json, images: coco/images}}
conditions: [clean]
"""


@pytest.fixture
def acme(harness, coco):
    """Returns a function that runs a suite of one model, whose plugin ships weights or declares what they must be."""
    harness.write("acme/__init__.py", "raise RuntimeError('a package is found, not imported')")
    harness.write("acme/model.py", MODEL)
    (harness.folder / "acme/weights.bin").write_bytes(SHIPPED)
    (harness.folder / "given.bin").write_bytes(GIVEN)

    def run(weights="optional", file="acme:weights.bin", digest=SHIPPED, given=False, command="run", importable=True):
        if importable:
            harness.write("acme/__init__.py", "")
        harness.write(
            "segharness_plugins.py",
            PLUGIN.format(weights=weights, file=file, digest=digest and hashlib.sha256(digest).hexdigest()),
        )
        harness.write("small.yaml", SUITE.format(more=", weights: given.bin" if given else ""))
        return harness(command, "small.yaml")

    return run


def test_the_plugins_own_weights_are_used_when_the_suite_gives_none(harness, acme):
    done = acme()
    assert done.code == 0, done.err
    assert (harness.folder / "given.txt").read_bytes() == SHIPPED


def test_a_suites_weights_replace_them_and_need_not_have_their_digest(harness, acme):
    done = acme(given=True)
    assert done.code == 0, done.err
    assert (harness.folder / "given.txt").read_bytes() == GIVEN


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b[:-1] + b"S", lambda b: b"", lambda b: b + b"\0"])
@pytest.mark.parametrize("command", ["run", "collect"])
def test_damaged_weights_are_found_before_the_first_cell(harness, acme, change, command):
    (harness.folder / "acme/weights.bin").write_bytes(change(SHIPPED))
    done = acme(command=command, importable=False)
    assert done.code == 4
    assert "small.yaml:4:5: the weights of model `acme/model` are not the ones it declares" in done.err
    assert "acme/weights.bin has sha256" in done.err and "install its plugin again" in done.err
    assert "Traceback" not in done.err


def test_missing_weights_are_found_before_the_first_cell(harness, acme):
    (harness.folder / "acme/weights.bin").unlink()
    done = acme()
    assert done.code == 4 and "are missing: no file" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("where", ["folder", "/proc/self/mem", "n" * 300])
def test_weights_that_cannot_be_read_are_named(harness, acme, where):
    target = harness.folder / "acme/weights.bin"
    target.unlink()
    if where == "folder":
        target.mkdir()
    elif where.startswith("/"):
        target.symlink_to(where)
    done = acme(file="acme:weights.bin" if len(where) < 300 else f"acme:{where}")
    assert done.code == 4 and "Traceback" not in done.err
    assert "small.yaml:4:5: the weights of model `acme/model` cannot be read: " in done.err


@pytest.mark.parametrize("where", ["/proc/self/mem", "n" * 300])
@pytest.mark.parametrize("own", [True, False])
def test_a_suites_weights_that_cannot_be_read_are_named(harness, acme, where, own):
    (harness.folder / "given.bin").unlink()
    (harness.folder / "given.bin").symlink_to(where)
    done = acme(given=True) if own else acme("optional", None, None, given=True)
    assert done.code == 4 and "Traceback" not in done.err
    assert "cannot be read" in done.err or "no file" in done.err


def test_a_package_that_is_not_there_is_named(acme):
    done = acme(file="nobody:weights.bin")
    assert done.code == 4 and "small.yaml:4:5: " in done.err
    assert "weights.shipped 'nobody:weights.bin': no package `nobody`" in done.err
    assert "Traceback" not in done.err


def test_without_weights_of_its_own_the_digest_is_of_the_suites(acme):
    assert acme("required", None, GIVEN, given=True).code == 0
    done = acme("required", None, SHIPPED, given=True)
    assert done.code == 4
    assert "small.yaml:4:41: the weights of model `acme/model` are not the ones it declares" in done.err


def test_other_weights_are_another_run(harness, acme):
    assert acme().code == 0
    (harness.folder / "acme/weights.bin").write_bytes(GIVEN)
    done = acme(digest=GIVEN)
    assert done.code == 4 and "weights" in done.err and "--fresh" in done.err
