"""TensorFlow's environment, and SavedModels with known outputs that are made there."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import segharness_tensorflow

VARIABLE = "SEGHARNESS_TEST_TENSORFLOW_PYTHON"
HERE = Path(__file__).parent
IMAGE = {"input_tensor": ("uint8", [1, None, None, 3])}


@pytest.fixture(scope="session")
def tensorflow_python() -> str:
    """An interpreter that has TensorFlow."""
    if VARIABLE not in os.environ:
        pytest.skip(f"TensorFlow is in an environment of its own (docs/environments.md); set {VARIABLE}")
    return os.environ[VARIABLE]


@pytest.fixture(scope="session")
def run_tensorflow(tensorflow_python):
    """A function that runs a script in TensorFlow's environment, and returns what it printed."""

    def run(script, *arguments):
        path = str(Path(segharness_tensorflow.__file__).parents[1])
        command = [tensorflow_python, "-W", "ignore", str(script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A function that fills a folder, by another function, once for all workers of a test run; and returns it."""

    def once(name, fill):
        base = tmp_path_factory.getbasetemp()
        folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
        with (folder.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / ".filled").is_file():
                folder.mkdir(exist_ok=True)
                fill(folder)
                (folder / ".filled").touch()
        return folder

    return once


@pytest.fixture(scope="session")
def save_models(run_tensorflow):
    """A function that makes SavedModels in a folder, of their outputs by name and what differs from the usual."""

    def save(folder, models):
        entries = []
        for name, (outputs, more) in models.items():
            np.savez(folder / f"{name}.npz", **outputs)
            files = {"folder": str(folder / name), "arrays": str(folder / f"{name}.npz")}
            usual = {"inputs": IMAGE, "signatures": ["serving_default"], "version": 2, "fails": False}
            entries.append({**files, **usual, **more})
        (folder / "models.json").write_text(json.dumps(entries))
        run_tensorflow(HERE / "saved_models.py", folder / "models.json")

    return save


@pytest.fixture(scope="session")
def predict(run_tensorflow):
    """A function that writes what models give for an image to ``answers.json`` and ``NUMBER.npz`` of a folder."""

    def predict(folder, requests, image):
        np.save(folder / "image.npy", image)
        entries = [{"image": str(folder / "image.npy"), "options": options} for options in requests.values()]
        (folder / "requests.json").write_text(json.dumps(entries))
        said = run_tensorflow(HERE / "predictions.py", folder / "requests.json", folder).splitlines()[-1]
        answers = dict(zip(requests, json.loads(said), strict=True))
        (folder / "answers.json").write_text(json.dumps(answers))

    return predict
