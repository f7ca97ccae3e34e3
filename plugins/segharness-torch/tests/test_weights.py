"""Weights from files: what they hold is taken, never run, and refused where it is damaged or another network's."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.torch import save
from segharness import UsageError
from segharness_torch.weights import load_weights, save_weights
from torch import nn


class Small(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Linear(3, width), nn.BatchNorm1d(width))


@pytest.fixture
def saved(tmp_path):
    network = Small()
    network(torch.randn(8, 3, generator=torch.Generator().manual_seed(1)))
    path = tmp_path / "small.safetensors"
    save_weights(network, path, "a small one")
    return network, path


def test_what_is_saved_is_loaded_in_half_precision(saved):
    network, path = saved
    other = Small()
    load_weights(other, path)
    for key, value in network.state_dict().items():
        found = other.state_dict()[key]
        assert found.dtype == value.dtype
        assert torch.equal(found, value.half().float() if value.is_floating_point() else value)
    assert network.state_dict()["1.num_batches_tracked"] == 1


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.999])
def test_truncated(saved, share):
    _, path = saved
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UsageError, match=r"small.safetensors: (not a whole safetensors file|is empty)"):
        load_weights(Small(), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("0.bias"), "of another network than Small: it lacks `0.bias`"),
        (lambda t: t.update({"2.weight": torch.ones(1)}), "of another network than Small: it has `2.weight`"),
        (lambda t: t.update({"0.bias": torch.ones(5)}), "of another Small: `0.bias` is [5], not [4]"),
        (lambda t: t["0.bias"].fill_(np.nan), "`0.bias` is not finite"),
    ],
)
def test_of_another_network(saved, change, message):
    network, path = saved
    tensors = {key: value.clone() for key, value in network.state_dict().items()}
    change(tensors)
    path.write_bytes(save(tensors))
    with pytest.raises(UsageError, match=re.escape(message)):
        load_weights(Small(), path)


def test_what_half_precision_cannot_hold_is_not_saved(tmp_path):
    network = Small()
    with torch.no_grad():
        network[0].bias[1] = 70_000
    with pytest.raises(UsageError, match=r"`0.bias` is not finite in half precision"):
        save_weights(network, tmp_path / "a", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("0.bias", lambda t: t.to(torch.int8), "`0.bias` is int8, not a float"),
        ("0.bias", lambda t: t.to(torch.complex64), "`0.bias` is complex64, not a float"),
        ("0.bias", lambda t: t.bool(), "`0.bias` is bool, not a float"),
        ("1.num_batches_tracked", lambda t: t.float(), "`1.num_batches_tracked` is float32, not a whole number"),
        ("1.num_batches_tracked", lambda t: t.bool(), "`1.num_batches_tracked` is bool, not a whole number"),
        ("0.bias", lambda t: t.double() * 0 + 1e300, "`0.bias` is not finite"),
        ("1.running_var", lambda t: t - 100, "`1.running_var` is a variance below 0"),
    ],
)
def test_values_that_no_training_gives(saved, key, change, message):
    network, path = saved
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    tensors[key] = change(tensors[key])
    path.write_bytes(save(tensors))
    with pytest.raises(UsageError, match=re.escape(message)):
        load_weights(Small(), path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_is_taken(saved, dtype):
    network, path = saved
    path.write_bytes(save({k: v.to(dtype) if v.is_floating_point() else v for k, v in network.state_dict().items()}))
    other = Small()
    load_weights(other, path)
    assert torch.equal(other.state_dict()["0.bias"], network.state_dict()["0.bias"].to(dtype).float())


def network(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


@pytest.fixture
def trained():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        found = network()
        nn.init.normal_(found[1].running_mean)
        return found


@pytest.mark.parametrize("form", ["safetensors", "state dict", "checkpoint", "without counters"])
def test_every_form_is_loaded(tmp_path, trained, form):
    state = trained.state_dict()
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    elif form == "checkpoint":
        torch.save({"model": state, "epoch": 3}, path)
    elif form == "without counters":
        torch.save({k: v for k, v in state.items() if "num_batches" not in k}, path)
    else:
        torch.save(state, path)
    found = network()
    load_weights(found, path)
    assert all(torch.equal(found.state_dict()[k], v) for k, v in state.items() if "num_batches" not in k)


class Evil:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def test_code_in_a_file_is_not_run(tmp_path, trained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": trained.state_dict(), "evil": Evil()}, "w.pth")
    with pytest.raises(
        UsageError, match=r"holds more than weights and plain values, which is not loaded.*it asks for posix"
    ):
        load_weights(network(), tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_what_does_not_fit_is_named(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"of another Sequential: `0.(bias|weight)` is \[3.*\], not \[4"):
        load_weights(network(4), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"weights of another network than Linear: it has `0.bias`, and 8 more names"):
        load_weights(nn.Linear(2, 3), tmp_path / "w.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(UsageError, match="holds no state dict"):
        load_weights(network(), tmp_path / "list.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "w.pth").read_bytes()[:200])
    with pytest.raises(UsageError, match="not a whole checkpoint"):
        load_weights(network(), tmp_path / "cut.pth")
    with pytest.raises(UsageError, match="cannot be read"):
        load_weights(network(), tmp_path / "none.pth")
