"""NaN inside a network is an error, not an image without instances."""

from __future__ import annotations

import pytest
import torch
from segharness_torch.finite import NotANumberError, Watch
from torch import nn


class Heads(nn.Module):
    """A detector's shape: parts of parts, which return tuples, mappings and things that are no tensors."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.head = Split()

    def forward(self, given):
        scores, _ = self.head(self.backbone(given))
        return scores["scores"][scores["scores"] > 0.5]  # where NaN is nothing


class Split(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, given):
        return {"scores": self.inner(given), "count": torch.tensor(1)}, ["text", None]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("damaged", ["backbone.0", "head.inner"])
def test_what_gives_nan_is_named(damaged, compiled):
    network = Heads()
    watch = Watch(network)
    run = torch.compile(network, backend="eager") if compiled else network
    with torch.inference_mode():
        with watch.watching():
            run(torch.ones(3, 2))
        with torch.no_grad():
            network.get_submodule(damaged).weight.fill_(float("nan"))
        assert len(run(torch.ones(3, 2))) == 0  # unwatched
        said = f"the network's `{damaged}` gives values that are not a number"
        with pytest.raises(NotANumberError, match=said), watch.watching():
            run(torch.ones(3, 2))


def test_what_a_network_raises_goes_before():
    network = Heads()
    network.head.inner.weight.data.fill_(float("nan"))
    watch = Watch(network)
    with pytest.raises(RuntimeError, match="shapes"), watch.watching():
        network(torch.ones(3, 5))


def test_infinity_is_a_number_of_networks():
    network = Heads()
    network.head.inner.bias.data.fill_(float("-inf"))
    with Watch(network).watching():
        assert len(network(torch.ones(3, 2))) == 0
