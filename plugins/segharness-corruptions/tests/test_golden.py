"""The same pixels on every machine, thread and order, and in every release of one version."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from segharness_corruptions import corrupt
from segharness_corruptions.catalogue import ALL, BY_NAME

SCRIPT = Path(__file__).with_name("golden.py")
INTEGER = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "brightness", "saturate", "contrast",
           "jpeg_compression", "pixelate")  # fmt: skip
"""Whole numbers from end to end: equal to the last bit everywhere."""


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(SCRIPT.with_name("golden.npz")))


def assert_same(name, found, kept):
    for severity in range(1, 6):
        key = f"{name}-{severity}"
        apart = np.abs(found[key].astype(int) - kept[key])
        if name in INTEGER:
            assert apart.max() == 0, f"{key} changed: raise its version in catalogue.py and run golden.py --update"
        else:
            changed = f"{key} changed: raise its version and run golden.py --update"
            assert (apart > 0).mean() <= 0.001, changed


def draw(folder, **environment):
    out = folder / "drawn.npz"
    subprocess.run([sys.executable, str(SCRIPT), str(out)], check=True, env=os.environ | environment, timeout=300)
    return dict(np.load(out))


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("now"))


@pytest.mark.parametrize("name", ALL)
def test_the_pixels_of_a_version_do_not_change(name, golden, now):
    assert str(golden[name]) == BY_NAME[name].version, "the version was raised: run golden.py --update"
    assert_same(name, now, golden)


def without_extensions():
    """Return the environment that switches off what numpy and OpenCV would choose for this processor."""
    from numpy._core import _multiarray_umath as numpy_core

    numpys = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)]
    opencvs = [word[1:] for word in cv2.getCPUFeaturesLine().split() if word[0] == "*"]
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(numpys), "OPENCV_CPU_DISABLE": ",".join(opencvs)}


def test_a_processor_without_its_extensions_gives_the_same_pixels(tmp_path, golden):
    plain = draw(tmp_path, **without_extensions())
    for name in ALL:
        assert_same(name, plain, golden)


def test_the_extensions_are_off_in_there():
    """Otherwise the test above compares a processor with itself."""
    code = (
        "import cv2; from numpy._core import _multiarray_umath as m;"
        "assert all(w.endswith('?') for w in cv2.getCPUFeaturesLine().split() if w[0] == '*'), cv2.getCPUFeaturesLine();"
        "assert not any(m.__cpu_features__.get(n) for n in m.__cpu_dispatch__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | without_extensions(), timeout=60)


def test_pixels_do_not_depend_on_threads_or_order():
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("golden", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    image = module.picture()
    jobs = [(name, severity) for name in reversed(ALL) for severity in (5, 1)] * 2

    def one(job):
        return corrupt(image, *job, seed=1, image_id=2, dataset="d")

    alone = {job: one(job) for job in set(jobs)}
    with ThreadPoolExecutor(8) as pool:
        for job, pixels in zip(jobs, pool.map(one, jobs), strict=True):
            assert np.array_equal(pixels, alone[job]), job


def test_pixels_do_not_depend_on_bands_or_tiles(monkeypatch):
    """Images of one band are drawn as those of many: the pieces are made so small that all have several."""
    from segharness_corruptions import filters, pixels

    rng = np.random.Generator(np.random.Philox(key=5))
    image = np.repeat(np.repeat(rng.integers(0, 256, (21, 30, 3), dtype=np.uint8), 5, axis=0), 4, axis=1)
    image[:40] = 255
    whole = {(name, s): corrupt(image, name, s) for name in ALL for s in (1, 3, 5)}
    monkeypatch.setattr(pixels, "_BAND", 4000)
    monkeypatch.setattr(filters, "_WIDE", 16)
    for (name, severity), expected in whole.items():
        apart = np.abs(corrupt(image, name, severity).astype(int) - expected)
        # a band's place enters zoom_blur's positions as a float
        assert apart.max() <= (name == "zoom_blur") and (apart > 0).mean() <= 0.001, (name, severity)
