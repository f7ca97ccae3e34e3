"""mmdet's own environment, made once per test run, and scenes with one category for it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from PIL import Image

REQUIRES = ["torch==2.13.0", "numpy<2", "setuptools<81", "mmdet==3.3.0", "mmengine", "opencv-python<4.12"]


@pytest.fixture(scope="session")
def mmdet_python(tmp_path_factory, shared) -> Path:
    """An interpreter that has mmdet: SEGHARNESS_TEST_MMDET_PYTHON, or a new one, which takes two minutes."""
    if given := os.environ.get("SEGHARNESS_TEST_MMDET_PYTHON"):
        return Path(given)
    [wheel] = (shared / "wheels").glob("mmcv-*.whl")
    if sys.version_info[:2] != (3, 11) or sys.platform != "linux":
        pytest.skip("the wheel of mmcv in ../shared is for Python 3.11 on Linux; set SEGHARNESS_TEST_MMDET_PYTHON")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "mmdet"
    with (folder.parent / "mmdet.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of a test run share it
        if not (folder / "whole").is_file():
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", wheel, *REQUIRES], check=True)
            (folder / "whole").touch()
    return folder / "bin/python"


@pytest.fixture(scope="session")
def things(tmp_path_factory, shared) -> Path:
    """Four photographs as PNG, their objects all of one category; a COCO tree. Untrained boxes meet something there."""
    folder = tmp_path_factory.mktemp("things")
    source = json.loads((shared / "data/coco-tiny/annotations/instances_val2017.json").read_text())
    images = sorted(source["images"], key=lambda image: image["id"])[:4]
    (folder / "annotations").mkdir()
    (folder / "val2017").mkdir()
    for image in images:
        with Image.open(shared / "data/coco-tiny/val2017" / image["file_name"]) as photograph:
            image["file_name"] = Path(image["file_name"]).with_suffix(".png").name
            photograph.convert("RGB").save(folder / "val2017" / image["file_name"])
    known = {image["id"] for image in images}
    annotations = [{**a, "category_id": 1} for a in source["annotations"] if a["image_id"] in known]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "annotations/instances_val2017.json").write_text(json.dumps(content))
    (folder / "names.txt").write_text("thing\n")
    return folder
