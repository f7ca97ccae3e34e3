"""``resolution:`` in suites: what networks are given is chosen, refused where it cannot be, recorded and said."""

from __future__ import annotations

import numpy as np
import pytest
from segharness.store import IMAGES, manifest_of, read_results, read_table

from tests.streets import street, write_coco

MODEL = """
import numpy as np
from segharness import Instances, NetworkInput


class Model:
    categories = ["car"]

    def __init__(self, resolution):
        self.resolution = resolution

    def predict(self, images, prompts=None):
        return [self.one(*image.shape[:2]) for image in images]

    def one(self, height, width):
        given = NetworkInput(64, 64, "bilinear", (0, 0, 0, 16))
        if self.resolution == "original":
            given = (height, width, "none", (0, 0, 0, 0))
        masks = np.ones((1, height, width), bool)
        return Instances(np.array([[0, 0, width, height]]), np.ones(1), np.zeros(1, int), masks, given)


def able(resolution="model"):
    return Model(resolution)


def unable():
    return Model("model")


def own_option(resolution):
    return Model(resolution)
"""

SUITE = """segharness: 1
name: s
models:
  - {model: "./m.py:able", id: able}
MORE
datasets:
  - {id: small, dataset: coco/2017, options: {root: coco}}
  - {id: streets, dataset: coco/2017, options: {root: coco}, resolution: original}
conditions: [clean]
"""


@pytest.fixture
def suite(harness, tmp_path):
    rng = np.random.default_rng(3)
    write_coco(tmp_path / "coco", {"a": street(rng, 40, 60), "b": street(rng, 48, 72)})
    harness.write("m.py", MODEL)

    def write(more="", text=SUITE):
        harness.write("s.yaml", text.replace("MORE\n", more))

    write()
    return write


def given(tmp_path, model, dataset, run="s"):
    images, _ = read_table(tmp_path / f"runs/{run}/images/{model}/{dataset}/clean/00000.arrow", IMAGES)
    names = ("input_height", "input_width", "interpolation", "padding")
    return [tuple(row[name] for name in names) for row in images.to_pylist()]


def test_it_is_chosen_recorded_and_said(harness, suite, tmp_path):
    done = harness("run", "s.yaml")
    assert done.code == 0, done.err
    assert given(tmp_path, "able", "small") == [(64, 64, "bilinear", [0, 0, 0, 16])] * 2
    sizes = [(40, 60, "none", [0] * 4), (48, 72, "none", [0] * 4)]
    assert given(tmp_path, "able", "streets") == sizes
    out = harness("report", "runs/s").out
    assert "network input: 64x48, bilinear, padded" in out
    assert "network input (resolution: original): 40-48x60-72, unscaled" in out
    manifest = manifest_of(read_results(tmp_path / "runs/s"))
    assert [d["resolution"] for d in manifest["suite"]["datasets"]] == ["model", "original"]
    assert manifest["inputs"]["models"]["able"]["streets"]["resolution"] == "original"
    assert "resolution" not in manifest["inputs"]["models"]["able"]["small"]
    assert manifest["network_inputs"][1] == {
        "model": "able",
        "dataset": "streets",
        "height": [40, 48],
        "width": [60, 72],
        "interpolation": ["none"],
        "padded": False,
        "known": 2,
        "unknown": 0,
    }


def test_another_resolution_is_another_protocol_and_replaces_nothing(harness, suite, tmp_path):
    assert harness("run", "s.yaml").code == 0
    protocol = manifest_of(read_results(tmp_path / "runs/s"))["protocol"]
    suite(text=SUITE.replace("resolution: original", "resolution: model"))
    done = harness("run", "s.yaml")
    assert done.code == 4 and "model.resolution: original -> nothing" in done.err
    done = harness("run", "s.yaml", "--out", "other")
    assert done.code == 0, done.err
    assert manifest_of(read_results(tmp_path / "other"))["protocol"] != protocol
    compared = harness("compare", "runs/s", "other")
    assert "resolution" in compared.out + compared.err


def test_a_top_level_resolution_is_that_of_data_sets_without_their_own(harness, suite, tmp_path):
    suite(text=SUITE.replace("resolution: original", "resolution: model") + "resolution: original\n")
    assert harness("run", "s.yaml").code == 0
    assert given(tmp_path, "able", "small")[0][2] == "none" and given(tmp_path, "able", "streets")[0][2] == "bilinear"


@pytest.mark.parametrize(
    "model",
    [
        '  - {model: "./m.py:unable", id: unable}\n',
        '  - {model: "./m.py:own_option", id: unable, options: {resolution: model}}\n',
    ],
)
def test_a_model_that_cannot_is_refused_before_the_first_cell_or_runs_as_published(harness, suite, tmp_path, model):
    suite(model)
    done = harness("run", "s.yaml")
    message = "s.yaml:8:74: data set `streets` has `resolution: original`, and model `unable` cannot be given images"
    assert done.code == 4 and message in done.err and "`original-if-possible`" in done.err
    assert harness("collect", "s.yaml").code == 4
    suite(model, SUITE.replace("resolution: original", "resolution: original-if-possible"))
    done = harness("run", "s.yaml")
    assert done.code == 0
    note = "model `unable` cannot be given images at their own size: on `streets` its network gets them as it was published"
    assert note in done.err + done.out
    assert given(tmp_path, "unable", "streets")[0][0] == 64 and given(tmp_path, "able", "streets")[0][0] == 40
    table = harness("report", "runs/s").out
    assert "(resolution: original-if-possible): able: 40-48x60-72, unscaled; unable: 64x48, bilinear, padded" in table


def test_a_value_that_there_is_not(harness, suite):
    suite(text=SUITE.replace("resolution: original", "resolution: full"))
    done = harness("run", "s.yaml")
    assert done.code == 4 and "s.yaml:7:74" in done.err and "original-if-possible" in done.err


def test_stored_predictions_count_and_what_their_networks_saw_is_not_known(harness, suite, tmp_path):
    assert harness("run", "s.yaml").code == 0
    assert harness("export-results", "runs/s", "-o", "exported").code == 0
    [folder] = [file.parent for file in (tmp_path / "exported").rglob("*.json") if "streets" in str(file)][:1]
    text = SUITE.replace('"./m.py:able", id: able', f'"coco-results/{folder}", id: stored').replace(
        "name: s", "name: t"
    )
    suite(text=text)
    done = harness("run", "s.yaml")
    out = harness("report", "runs/t").out
    assert done.code in (0, 1), done.err
    assert "(resolution: original): not known" in out or "not known of" in out


def test_a_wrong_input_costs_the_image(harness, suite):
    harness.write(
        "m.py", MODEL.replace('(height, width, "none", (0, 0, 0, 0))', '(height, width, "none", (0, height, 0, 0))')
    )
    done = harness("run", "s.yaml")
    assert done.code == 1 and "the padding leaves nothing of the image" in done.err + done.out


def test_a_model_under_another_interpreter_is_told_too(harness, suite, tmp_path):
    import sys

    foreign = MODEL.replace("from segharness import Instances, NetworkInput", "from types import SimpleNamespace")
    foreign = foreign.replace("NetworkInput(64, 64, ", "(64, 64, ").replace(
        "Instances(np.array([[0, 0, width, height]]), np.ones(1), np.zeros(1, int), masks, given)",
        "SimpleNamespace(boxes=np.array([[0, 0, width, height]]), scores=np.ones(1), labels=np.zeros(1, int), "
        "masks=masks, network_input=given)",
    )
    harness.write("m.py", foreign)
    suite(text=SUITE.replace("id: able}", f"id: able, python: {sys.executable}}}"))
    done = harness("run", "s.yaml")
    assert done.code == 0, done.err
    assert given(tmp_path, "able", "streets")[1] == (48, 72, "none", [0] * 4)
    assert given(tmp_path, "able", "small")[0] == (64, 64, "bilinear", [0, 0, 0, 16])


def test_models_that_were_given_other_sizes_are_not_compared(harness, suite):
    text = SUITE.replace("resolution: original", "resolution: original-if-possible")
    suite('  - {model: "./m.py:unable", id: unable}\n', text)
    assert harness("run", "s.yaml").code == 0
    done = harness("compare", "runs/s::able", "runs/s::unable")
    assert (
        "the images were given at `resolution: original` to the first, at `model` to the second" in done.out + done.err
    )


def test_a_model_that_scales_under_original_is_refused_its_images(harness, suite):
    harness.write("m.py", MODEL.replace('if self.resolution == "original":', "if False:"))
    done = harness("run", "s.yaml")
    assert done.code == 1
    assert "under `resolution: original` the network was given 64x48 of an image of 40x60" in done.out + done.err


def test_a_parameter_that_happens_to_be_called_so_is_no_promise(harness, suite):
    harness.write("m.py", MODEL.replace('def able(resolution="model")', "def able(resolution=512)"))
    done = harness("run", "s.yaml")
    assert done.code == 4 and "model `able` cannot be given images at their own size" in done.err
