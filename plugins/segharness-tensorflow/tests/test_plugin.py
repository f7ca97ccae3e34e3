"""Without TensorFlow: listing, and what is said of weights before the first cell."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.streets import street, write_coco

SUITE = """
segharness: 1
models: [{model: tensorflow/saved-model, weights: WEIGHTS, options: {OPTIONS}}]
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
"""


@pytest.fixture
def planned(harness, pretend, tmp_path):
    """A function that plans a run of weights with options, under an interpreter that seems to have TensorFlow."""
    write_coco(tmp_path / "coco", {"a": street(np.random.default_rng(2), 40, 60)})
    assert harness("config", "set", "python.tensorflow", str(pretend("tensorflow"))).code == 0

    def run(weights, options=""):
        harness.write("s.yaml", SUITE.replace("WEIGHTS", weights).replace("OPTIONS", options))
        return harness("run", "s.yaml")

    return run


def test_listing_imports_no_tensorflow(harness):
    code = "import segharness_tensorflow.plugin as p, sys; p.segharness_models(); "
    code += "assert not {'tensorflow', 'numpy', 'segharness_tensorflow.foreign_model'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    shown = harness("models", "tensorflow/saved-model")
    assert shown.code == 0 and "it runs the code in its graph" in shown.out


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("model.h5", "is a model of Keras, not a SavedModel"),
        ("model.keras", "is a model of Keras, not a SavedModel"),
        ("frozen_inference_graph.pb", "is a frozen graph of TensorFlow 1, not a SavedModel"),
        ("model.tflite", "is a model of TensorFlow Lite, not a SavedModel"),
        ("folder/saved_model.pb", "is a part of a SavedModel: give its folder"),
        ("weights.bin", "is a file, not a SavedModel"),
    ],
)
def test_a_file_is_refused_before_the_first_cell(planned, harness, path, message):
    harness.write(path, "x")
    done = planned(path)
    assert done.code == 4 and message in done.err and "s.yaml:2:" in done.err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("checkpoint",), "has no saved_model.pb, which every SavedModel has"),
        (("saved_model/saved_model.pb",), "folder/saved_model has one: give that folder"),
        (("frozen_inference_graph.pb",), "holds a frozen graph of TensorFlow 1"),
        (("config.json", "model.weights.h5"), "export the model as a SavedModel"),
    ],
)
def test_a_folder_that_is_no_saved_model_is_refused_before_the_first_cell(planned, harness, files, message):
    for file in files:
        harness.write(f"folder/{file}", "x")
    done = planned("folder")
    assert done.code == 4 and message in done.err


def test_options_are_checked_before_the_first_cell(planned, harness):
    harness.write("folder/saved_model.pb", "x")
    done = planned("folder", "boxes: percent, score: 2, first_label: -1, paste: opencv")
    assert done.code == 4
    for text in ("is 'percent', not normalised", "is 2, not a number", "is -1, not a whole", "is 'opencv', not"):
        assert text in done.err
    done = planned("absent")
    assert done.code == 4 and "absent" in done.err and "the folder of a SavedModel" in done.err
