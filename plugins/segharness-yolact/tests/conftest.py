"""Where the authors' code is, and an interpreter that can run it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import segharness_torch
import segharness_yolact

PYTHON, SOURCE = "SEGHARNESS_TEST_YOLACT_PYTHON", "SEGHARNESS_TEST_YOLACT_SOURCE"


@pytest.fixture(scope="session")
def yolact_python() -> str:
    """An interpreter that has torch, torchvision, OpenCV and pycocotools."""
    if PYTHON not in os.environ:
        pytest.skip(f"the authors' code needs torchvision and OpenCV; set {PYTHON}")
    return os.environ[PYTHON]


@pytest.fixture(scope="session")
def source() -> str:
    """A checkout of the authors' code."""
    if SOURCE not in os.environ:
        pytest.skip(f"the authors' code is not installed; set {SOURCE} to a checkout of github.com/dbolya/yolact")
    return os.environ[SOURCE]


@pytest.fixture(scope="session")
def run_script(yolact_python):
    """A function that runs a script in that environment, with this plugin importable; returns the JSON it prints."""
    path = os.pathsep.join(str(Path(module.__file__).parents[1]) for module in (segharness_torch, segharness_yolact))

    def run(script, arguments):
        command = [yolact_python, "-W", "ignore", str(script), json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
