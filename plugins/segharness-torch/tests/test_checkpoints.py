"""Checkpoints of other programs: what they hold comes out, what could run does not."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
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


class Call:
    """Unpickled as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class State:
    """Unpickled as an object of a class with a state."""

    def __init__(self, function, arguments, state):
        self.call = function, arguments, state

    def __reduce__(self):
        return self.call


POINTERS = b"A" * 8
MULTIARRAY = np.arange(1).__reduce__()[0]
FORGED = {
    "an array of pointers": Call(np.ndarray, (1,), "O", POINTERS),
    "a kind of objects": Call(np.dtype, "O"),
    "a kind of records": Call(np.dtype, [("a", "O")]),
    "any memory": Call(np.dtype, "V8"),
    "a kind that becomes one of records": State(
        np.dtype, ("f4", False, True), (3, "|", None, ("a",), {"a": (np.dtype("f4"), 0)}, 4, 1, 27)
    ),
    "an array of another kind than its bytes": State(
        MULTIARRAY, (np.ndarray, (0,), b"b"), (1, (4,), np.dtype("f8"), False, b"short")
    ),
    "an array of another class": Call(MULTIARRAY, OrderedDict, (0,), b"b"),
    "a dictionary of pointers": Call(OrderedDict, Call(np.ndarray, (1,), "O", POINTERS)),
}


@pytest.mark.parametrize("name", ["m.pkl", "m.pth"])
@pytest.mark.parametrize("forged", FORGED)
def test_numpys_own_classes_cannot_be_used_for_anything(forged, name, tmp_path):
    content = OrderedDict(w=np.ones(2), more=FORGED[forged])
    if name.endswith(".pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(content, 2))
    else:
        torch.save(content, tmp_path / name)
    with pytest.raises(CheckpointError, match=name):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("protocol", [2, 4])
def test_functions_that_stand_for_numpys_cannot_be_changed(protocol, tmp_path):
    import pickletools

    state = pickle.dumps(({}, {"__defaults__": (1,)}), protocol)[2:-1]
    frame = pickle.PROTO + bytes([2]) + b"cnumpy._core.numeric\n_frombuffer\n" + state + pickle.BUILD + pickle.STOP
    if protocol == 2:
        pickletools.dis(frame, out=open(os.devnull, "w"))  # noqa: SIM115, PTH123  it is a whole pickle
    (tmp_path / "m.pkl").write_bytes(frame)
    with pytest.raises(CheckpointError, match="m.pkl"):
        read_checkpoint(tmp_path / "m.pkl")


def test_classes_beside_the_weights_come_out_empty_where_they_are_known(tmp_path):
    import argparse

    torch.save({"w": torch.ones(1), "args": argparse.Namespace(lr=0.1)}, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="it asks for argparse.Namespace"):
        read_checkpoint(tmp_path / "m.pth")
    found = read_checkpoint(tmp_path / "m.pth", ["argparse.Namespace"])
    assert torch.equal(found["w"], torch.ones(1)) and not hasattr(found["args"], "lr")


def test_safetensors_are_read_too(tmp_path):
    safetensors.torch.save_file({"w": torch.ones(2)}, tmp_path / "m.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "m.safetensors")["w"], torch.ones(2))
    (tmp_path / "m.safetensors").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read_checkpoint(tmp_path / "m.safetensors")


def test_a_torch_that_runs_what_files_say_is_not_let_near_them(tmp_path, monkeypatch):
    torch.save({"w": torch.ones(1)}, tmp_path / "m.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(CheckpointError, match=r"needs PyTorch 2\.6 or later, or a \.safetensors file"):
        read_checkpoint(tmp_path / "m.pth")


@pytest.mark.parametrize("name", ["m.pkl", "m.pth"])
@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04", pickle.dumps({"a": 1})[:-3]])
def test_what_is_no_checkpoint_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name) as raised:
        read_checkpoint(tmp_path / name)
    said = str(raised.value).partition(f"{name}: ")[2]
    assert len(said) > 5 and not said.endswith(":") and "KeyError" not in said, said
    if content == b"":
        assert said == "is empty"
    if content == b"text" and name == "m.pth":
        assert said.startswith("not a checkpoint: it begins neither as a zip archive nor as a pickle")
    with pytest.raises(CheckpointError, match=r"none\.pth: cannot be read"):
        read_checkpoint(tmp_path / "none.pth")
