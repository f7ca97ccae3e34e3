"""What models under another interpreter share: names that fit the network, settings that exist, weights that are whole."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import segharness_torch
import torch
from pycocotools import mask as rle
from segharness_torch.foreign import (
    ForeignInstances,
    Precision,
    as_tensors,
    category_names,
    checked_overrides,
    load_state,
)
from torch import nn

SETTINGS = {"model": {"head": {"score_thr": 0.05}, "stages": [{"depth": 1}, {"depth": 2}]}, "text": "abc"}


def test_boxes_that_were_not_predicted_are_the_masks():
    masks = np.zeros((2, 6, 8), bool)
    masks[0, 1:3, 2:7] = masks[1, 5, 0] = True
    rles = rle.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    found = ForeignInstances(None, np.ones(2, np.float32), np.zeros(2, int), rles)
    assert found.boxes.tolist() == [[2, 1, 7, 3], [0, 5, 1, 6]] and found.boxes.dtype == np.float32
    assert ForeignInstances(None, np.ones(0), np.ones(0), []).boxes.shape == (0, 4)


def test_names_are_as_many_as_the_networks(tmp_path):
    (tmp_path / "names.txt").write_text("cat\n\ndog\n")
    assert category_names(tmp_path / "names.txt", ("a", "b", "c"), 2) == ["cat", "dog"]
    assert category_names(None, "balloon", 1) == ["balloon"]
    assert category_names(None, ("a", "b"), None) == ["a", "b"]
    with pytest.raises(ValueError, match="the network has 3 categories, but .*names.txt has 2, cat, dog"):
        category_names(tmp_path / "names.txt", None, 3)
    with pytest.raises(ValueError, match="the network has 8 categories, but checkpoint or config name 2"):
        category_names(None, ("a", "b"), 8)
    (tmp_path / "names.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="names.bin: cannot be read: no text in UTF-8"):
        category_names(tmp_path / "names.bin", None, 3)
    with pytest.raises(ValueError, match="give the option `categories`"):
        category_names(None, None, 8)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.head.score_th", "the config has no model.head.score_th: model.head has score_thr"),
        ("modle.head", "the config has no modle.head: the config has model, text"),
        ("model.stages.2.depth", "model.stages has 0, 1"),
        ("text.a", "text has nothing"),
    ],
)
def test_a_setting_that_does_not_exist_is_not_made(key, message):
    with pytest.raises(ValueError, match=message):
        checked_overrides(SETTINGS, {key: 1})


def test_settings_that_exist_may_be_changed():
    assert (
        checked_overrides(SETTINGS, {"model.head.score_thr": 0.1, "model.stages.1.depth": 3})["model.stages.1.depth"]
        == 3
    )
    assert checked_overrides(SETTINGS, None) == {}
    assert checked_overrides(SETTINGS, {"model.head.score_thr": None, "model.stages": 3, "text": 1})["text"] == 1
    for wrong in ("many", [0.1], True):
        with pytest.raises(ValueError, match=r"model.head.score_thr is .*, not a number, as 0.05 in the config is"):
            checked_overrides(SETTINGS, {"model.head.score_thr": wrong})
    with pytest.raises(ValueError, match="not settings with their values"):
        checked_overrides(SETTINGS, ["a"])
    with pytest.raises(ValueError, match="`precision` is 'half', not float32, float16, bfloat16"):
        Precision("half")


def test_weights_are_whole_and_of_the_network(tmp_path):
    network, path = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), tmp_path / "w.pth"
    state = {**network.state_dict(), "0.bias": np.full(3, 7.0, np.float32), "more": torch.ones(1)}
    del state["1.num_batches_tracked"]
    load_state(network, as_tensors(state, path), path)
    assert network[0].bias.tolist() == [7, 7, 7]
    for wrong in ({}, [1], {"a": 1}):
        with pytest.raises(ValueError, match="holds no state dict"):
            as_tensors(wrong, path)
    for key, message in (("0.bias", "lack `0.bias`$"), ("0", "lack `0.weight`, and 1 more")):
        less = {k: v for k, v in as_tensors(state, path).items() if not k.startswith(key)}
        with pytest.raises(ValueError, match=message):
            load_state(network, less, path)
    load_state(network, {k: v for k, v in network.state_dict().items() if k != "0.bias"}, path, ["bias"])
    with pytest.raises(ValueError, match="of another network: size mismatch for 0.bias"):
        load_state(network, {**network.state_dict(), "0.bias": torch.ones(4)}, path)
    for damaged in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="w.pth: `0.bias` is not finite"):
            load_state(network, {**network.state_dict(), "0.bias": torch.full((3,), damaged)}, path)


FOREIGN = (
    "category_names", "checkpoints", "encoding", "facts", "foreign", "input_watch",
    "nan_checks", "temporary_seed", "threads",
)  # fmt: skip
"""Modules of segharness_torch that run under interpreters that `python:` names."""


@pytest.mark.parametrize(
    "file",
    [
        *(Path(segharness_torch.__file__).parent / f"{name}.py" for name in FOREIGN),
        *sorted(Path(__file__).resolve().parents[2].glob("*/*/foreign_model.py")),
    ],
    ids=lambda file: "/".join(file.parts[-2:]),
)
def test_what_runs_elsewhere_runs_under_python_3_8_and_needs_nothing_of_ours(file):
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            newer = node.func.id == "zip" if isinstance(node.func, ast.Name) else False
            assert not (newer and any(word.arg == "strict" for word in node.keywords)), node.lineno
            named = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            assert named not in ("removeprefix", "removesuffix", "bit_count", "pairwise", "is_relative_to"), node.lineno
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                top, _, rest = name.partition(".")
                assert top != "segharness" and (top != "segharness_torch" or rest in FOREIGN), name
