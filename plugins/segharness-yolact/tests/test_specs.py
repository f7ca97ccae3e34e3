"""What the plugin lists, and what it says before anything runs. Needs neither the authors' code nor torch."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import segharness_yolact
from segharness_yolact.catalogue import CATALOGUE
from segharness_yolact.checks import missing_weights, not_a_checkout, source_files

from tests.streets import street, write_coco

FILES = ("yolact.py", "backbone.py", "data/config.py", "layers/output_utils.py", "utils/augmentations.py")
SUITE = """
segharness: 1
models: [{model: yolact/resnet50, options: {source: checkout}}]
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
"""


def checkout(folder):
    for name in (*FILES, "layers/functions/detection.py", "scripts/plot_loss.py", "eval.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_listing_imports_no_framework():
    code = "import segharness_yolact.plugin as p, sys; assert len(p.segharness_models()) == 8; "
    code += "assert not {'torch', 'torchvision', 'cv2', 'yolact'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_published_model_has_a_name_and_says_what_it_is(harness):
    listed = {one["name"]: one for one in json.loads(harness("models", "--json").out)}
    names = {name for name in listed if name.startswith("yolact/")}
    assert names == {f"yolact/{entry.name}" for entry in CATALOGUE.values()} | {"yolact/custom"}
    plus = CATALOGUE["yolact_plus_resnet50_config"]
    link = "https://huggingface.co/dbolya/yolact-plus-resnet50/resolve/main/yolact_plus_resnet50_54_800000.pth"
    assert plus.metadata == {
        "family": "YOLACT++",
        "head": "YOLACT++",
        "backbone": "ResNet-50-FPN",
        "normalisation": "BN",
        "initialisation": "ImageNet",
        "iterations": 800000,
        "input_size": 550,
        "config": "yolact_plus_resnet50_config",
        "weights": link,
        "published": {"mask AP": 34.1, "fps": 33.5},
    }
    published = {entry.name: entry.mask_ap for entry in CATALOGUE.values()}
    assert published["resnet50"] == 28.2 and published["im400"] is None and len(published) == 7
    assert CATALOGUE["yolact_base_config"].weights_file == "yolact_base_54_800000.pth"


def test_the_catalogue_is_the_table_of_the_authors_readme(source):
    """Every link of weights in their table, with the AP beside it."""
    readme = (Path(source) / "README.md").read_text()
    for entry in CATALOGUE.values():
        if entry.weights_link:
            [row] = [line for line in readme.splitlines() if f"[{entry.weights_file}]({entry.weights_link}?" in line]
            size, backbone, fps, ap = [cell.strip() for cell in row.split("|")][1:5]
            assert (int(size), float(fps), float(ap)) == (entry.input_size, entry.fps, entry.mask_ap)
            assert entry.backbone.lower().replace("-", "") == backbone.lower().replace("-", "")
        else:
            assert entry.config.removesuffix("_config") not in readme


def test_weights_that_are_not_given_are_named_before_the_first_cell(harness, tmp_path):
    write_coco(tmp_path / "coco", {"a": street(np.random.default_rng(2), 40, 60)})
    checkout(tmp_path / "checkout")
    harness.write("s.yaml", SUITE)
    done = harness("collect", "s.yaml")
    assert done.code == 4 and "s.yaml:2:" in done.err
    assert "needs `weights:`, a file, published, or random; published is yolact_resnet50_54_800000.pth" in done.err
    assert "https://huggingface.co/dbolya/yolact-resnet50/resolve" in done.err
    harness.write("s.yaml", SUITE.replace("options: {source", "weights: random, options: {source"))
    assert harness("collect", "s.yaml").out.count("::clean") == 1
    assert "train.py of the authors" in missing_weights(None, "yolact_im400_config")
    assert missing_weights("a.pth", "yolact_im400_config") is None


def test_a_folder_that_is_no_checkout_is_refused(harness, tmp_path):
    write_coco(tmp_path / "coco", {"a": street(np.random.default_rng(2), 40, 60)})
    (tmp_path / "checkout").mkdir()
    harness.write("s.yaml", SUITE.replace("options: {source", "weights: random, options: {source"))
    done = harness("collect", "s.yaml")
    assert done.code == 4 and "no checkout of https://github.com/dbolya/yolact: it has no yolact.py" in done.err
    assert not_a_checkout(str(checkout(tmp_path / "checkout"))) is None
    harness.write("s.yaml", SUITE.replace("options: {source: checkout}", "weights: random"))
    done = harness("collect", "s.yaml")
    assert done.code == 4 and "source" in done.err


def test_identities_hold_what_the_networks_run(tmp_path):
    names = {file.relative_to(tmp_path).as_posix() for file in source_files(checkout(tmp_path))}
    assert names == {*FILES, "layers/functions/detection.py"}


@pytest.mark.parametrize("module", ["foreign_model", "authors_code", "original_size", "deformable"])
def test_what_runs_elsewhere_is_python_3_8_and_needs_nothing_of_segharness(module):
    text = (Path(segharness_yolact.__file__).parent / f"{module}.py").read_text()
    ast.parse(text, feature_version=(3, 8))
    assert "import segharness\n" not in text and "from segharness " not in text and "segharness." not in text
