"""Options, folders and weights that cannot be right, and where that is said; answers that are no numbers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from segharness import UsageError
from segharness_torch.nan_checks import NotANumberError
from segharness_transformers import promptable, segmenter


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("eomt", {"things": ["cat"]}, "no category 'cat'; it has person, car, road"),
        ("eomt", {"things": 4}, "`things` is 4, not 1 to 3"),
        ("detr-boxes", {"output": "panoptic"}, "without mask head has no panoptic output"),
    ],
)
def test_options_must_fit_the_network(saved, kind, options, message):
    with pytest.raises(UsageError) as raised:
        segmenter.make(kind.split("-")[0], str(saved(kind)), **options)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("output: semantic", "option `output` of model `transformers/eomt` is 'semantic', not instances or panoptic"),
        ("things: car", "is 'car', not a list of names or a whole number of at least 1"),
        ("things: [1]", "is [1], not a list of names or a whole number of at least 1"),
        ("most: 0", "is 0, not a whole number of at least 1"),
        ("overlap: 2", "is 2, not a number from 0 to 1"),
        ("mask_score: 1", "is 1, not true or false"),
        ("precision: [float16]", "is ['float16'], not float32, float16 or bfloat16"),
        ("precision: flaot16", "(did you mean `float16`?)"),
        ("seed: -1", "is -1, not a whole number of at least 0"),
        ("revision: 3", "is 3, not a text"),
        ("compile: no thanks", "is 'no thanks', not true or false"),
    ],
)
def test_options_are_checked_before_the_first_cell(harness, saved, option, message):
    done = collected(harness, "eomt", saved("eomt"), f"options: {{{option}}}")
    assert done.code == 4 and "s.yaml:2:" in done.err and message in done.err


def collected(harness, family, weights, more="tags: []"):
    harness.write("s.yaml", f"""
        segharness: 1
        models: [{{id: m, model: transformers/{family}, weights: {weights}, {more}}}]
        datasets: [toycells/quick]
        conditions: [clean]
        """)  # fmt: skip
    return harness("collect", "s.yaml")


def test_folders_are_looked_at_before_the_first_cell(harness, saved, tmp_path):
    def copy(name, kind="eomt"):
        return shutil.copytree(saved(kind), tmp_path / name)

    pickled, bare, listed, broken = map(copy, ("pickled", "bare", "listed", "broken"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    (bare / "preprocessor_config.json").unlink()
    (listed / "config.json").write_text("[1]")
    (broken / "config.json").write_text("{")
    assert collected(harness, "eomt", saved("eomt")).code == 0
    (tmp_path / "nothing").mkdir()
    for family, folder, message in (
        ("eomt", pickled, "has no *.safetensors; pytorch_model.bin is not loaded, for it could run any code"),
        ("eomt", bare, "has no preprocessor_config.json"),
        ("eomt", listed, "config.json is no mapping"),
        ("eomt", broken, "config.json is no JSON"),
        ("eomt", tmp_path / "nothing", "has no config.json"),
        ("eomt", pickled / "pytorch_model.bin", "is a file, not a folder with config.json"),
        ("detr", saved("eomt"), "is of a model of type 'eomt', not of detr"),
        ("eomt", "mask2former", "and not random or owner/name on the hub"),
        ("eomt", "random", "`weights: random` needs the option `config`"),
    ):
        done = collected(harness, family, folder)
        assert done.code == 4 and message in done.err and "s.yaml:2:" in done.err, done.err
    done = collected(harness, "eomt", saved("eomt"), f"options: {{config: {saved('eomt')}}}")
    assert done.code == 4 and "the option `config` is for `weights: random`" in done.err


def test_damaged_weights_are_refused(saved, tmp_path):
    folder = shutil.copytree(saved("eomt"), tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    for damaged, message in (
        ({"class_predictor.bias": torch.full((4,), float("nan"))}, "`class_predictor.bias` is not finite"),
        ({"class_predictor.bias": torch.zeros(9)}, "weights of another EomtForUniversalSegmentation: "
         "`class_predictor.bias` is [9], not [4]"),
    ):  # fmt: skip
        save_file({**weights, **damaged}, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(UsageError) as raised:
            segmenter.make("eomt", str(folder))
        assert message in str(raised.value), raised.value


@pytest.mark.parametrize("kind", ["eomt", "mask2former", "detr", "sam2"])
def test_answers_that_are_not_numbers_are_no_answers(saved, images, kind):
    prompted = kind.startswith("sam")
    model = promptable.make("sam2", str(saved(kind))) if prompted else segmenter.make(kind, str(saved(kind)))
    network = model._network
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(float("nan"))
    with pytest.raises(NotANumberError):
        model.predict(images[:1], **({"prompts": [np.array([[5, 5, 40, 30]], np.float32)]} if prompted else {}))


def test_a_name_that_no_data_set_has_may_be_there_twice(saved, images, tmp_path):
    """As facebook/detr-resnet-50 has N/A for the eleven ids that COCO does not use."""
    folder = shutil.copytree(saved("detr-boxes"), tmp_path / "gaps")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id2label": {"0": "N/A", "1": "car", "2": "N/A"}}))
    model = segmenter.make("detr", str(folder))
    assert model.categories == ["N/A", "car", "N/A"] and len(model.predict(images[:1])[0].scores)


def test_factories_refuse_what_would_change_results(saved):
    with pytest.raises(UsageError, match="`output` is 'semantic', not instances or panoptic"):
        segmenter.make("eomt", str(saved("eomt")), output="semantic")
    with pytest.raises(UsageError, match="`prompt` is 'point', not boxes or points"):
        promptable.make("sam2", str(saved("sam2")), prompt="point")


def test_folders_that_cannot_be_loaded_say_why(saved, tmp_path):
    def copy(name, kind="eomt"):
        return shutil.copytree(saved(kind), tmp_path / name)

    torn, other = map(copy, ("torn", "other"))
    weights = "model.safetensors"
    (torn / weights).write_bytes((torn / weights).read_bytes()[:999])
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    wordless = copy("wordless", "oneformer")
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (wordless / name).unlink()
    for family, folder, message in (
        ("eomt", torn, "transformers cannot load it"),
        ("eomt", other, "weights of another network than EomtForUniversalSegmentation: they lack `layers.3."),
        ("eomt", tmp_path, "has no config.json"),
        ("oneformer", wordless, "vocab.json, merges.txt and tokenizer_config.json"),
    ):
        with pytest.raises(UsageError) as raised:
            segmenter.make(family, str(folder))
        assert message in str(raised.value), raised.value
