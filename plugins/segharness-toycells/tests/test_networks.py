"""What networks share: weights files (what is damaged or another network's is refused), and torch's generators."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save
from segharness import UsageError
from segharness_toycells.networks.seeding import torch_seeded
from segharness_toycells.networks.weights import load_weights, save_weights
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
    with pytest.raises(UsageError, match=r"small.safetensors: not a whole safetensors file"):
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


def test_missing_and_pickled(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        load_weights(Small(), tmp_path / "none.safetensors")
    torch.save(Small().state_dict(), tmp_path / "pickle.pt")
    with pytest.raises(UsageError, match="not a whole safetensors file"):
        load_weights(Small(), tmp_path / "pickle.pt")


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


def draws(device):
    return torch.rand(3, device=device).tolist()


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))],
)
def test_torchs_generators_are_seeded_for_a_while_and_then_where_they_were(device):
    with torch_seeded(7, device):
        inside = draws(device)
    with torch_seeded(7, device):
        assert draws(device) == inside
    with torch_seeded(8, device):
        assert draws(device) != inside
    torch.manual_seed(3)
    expected = [draws(device), draws(device)]
    torch.manual_seed(3)
    first = draws(device)
    with torch_seeded(7, device):
        draws(device)
    assert [first, draws(device)] == expected


def test_they_are_restored_when_something_is_raised():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(KeyError), torch_seeded(7):
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
