"""Weights from files: what they hold is taken, and never run."""

from __future__ import annotations

import os

import pytest
import safetensors.torch
import torch
from segharness import UsageError
from segharness_torch.weights import load_weights
from torch import nn


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
    with pytest.raises(UsageError, match=r"holds more than weights, which is not loaded"):
        load_weights(network(), tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_what_does_not_fit_is_named(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"`0.weight` is \[3, 2\], the network's \[4, 2\]"):
        load_weights(network(4), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"weights of another network than Linear: it has `0.bias`, and 7 names"):
        load_weights(nn.Linear(2, 3), tmp_path / "w.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(UsageError, match="holds no state dict"):
        load_weights(network(), tmp_path / "list.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "w.pth").read_bytes()[:200])
    with pytest.raises(UsageError, match="not a whole file of weights"):
        load_weights(network(), tmp_path / "cut.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"123")
    with pytest.raises(UsageError, match="not a whole file of weights"):
        load_weights(network(), tmp_path / "cut.safetensors")
    with pytest.raises(UsageError, match="cannot be read"):
        load_weights(network(), tmp_path / "none.pth")
