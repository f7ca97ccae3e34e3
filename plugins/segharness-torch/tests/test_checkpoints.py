"""Checkpoints of other programs: what they hold comes out, what could run does not."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from segharness_torch.checkpoints import CheckpointError, read_checkpoint


class Trap:
    """Unpickled as a call."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


def test_a_zoos_pickle_of_arrays_is_read(tmp_path):
    state = OrderedDict(a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.float64(2.5), c=np.zeros((), np.int64))
    for protocol in (2, 4, 5):
        (tmp_path / "m.pkl").write_bytes(pickle.dumps({"model": state, "__author__": "somebody"}, protocol))
        found = read_checkpoint(tmp_path / "m.pkl")
        assert found["__author__"] == "somebody" and list(found["model"]) == ["a", "b", "c"]
        assert np.array_equal(found["model"]["a"], state["a"]) and found["model"]["b"] == 2.5


def test_a_checkpoint_with_epochs_names_and_numpy_is_read(tmp_path):
    content = {"state_dict": OrderedDict(w=torch.ones(2)), "meta": {"epoch": np.int64(3), "classes": ("a", "b")}}
    content["meta"]["history"] = np.arange(4.0)
    torch.save(content, tmp_path / "m.pth")
    found = read_checkpoint(tmp_path / "m.pth")
    assert torch.equal(found["state_dict"]["w"], torch.ones(2))
    assert found["meta"]["epoch"] == 3 and found["meta"]["classes"] == ("a", "b")
    assert np.array_equal(found["meta"]["history"], np.arange(4.0))


@pytest.mark.parametrize("name", ["m.pkl", "m.pth"])
def test_nothing_is_run(name, tmp_path):
    content = {"model": {"w": np.ones(2)}, "more": Trap(tmp_path / "ran")}
    if name.endswith(".pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / name)
    with pytest.raises(CheckpointError, match="holds more than weights"):
        read_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["m.pkl", "m.pth"])
@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04", pickle.dumps({"a": 1})[:-3]])
def test_what_is_no_checkpoint_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        read_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"none\.pth: cannot be read"):
        read_checkpoint(tmp_path / "none.pth")
