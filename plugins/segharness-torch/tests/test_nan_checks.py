"""NaN inside a network is an error, not an image without instances."""

from __future__ import annotations

import pytest
import torch
from segharness_torch.nan_checks import NanDetector, NotANumberError, first_nonfinite
from torch import nn


class Cascade(nn.Module):
    """Heads in a list, which is never called itself, and one of them scripted; as Cascade R-CNN has them."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([Split(), Split()])
        self.scripted = torch.jit.script(nn.Linear(2, 2))

    def forward(self, given):
        found = [head(self.scripted(given)) for head in self.heads]
        return {"scores": sum(one[0]["scores"] for one in found)}, ["text", None]


class Split(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, given):
        return {"scores": self.inner(given), "count": torch.tensor(1)}, None


class Network(nn.Module):
    """A detector's shape, with one more level around it."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.around = Cascade()

    def forward(self, given):
        scores, _ = self.around(self.backbone(given))
        return scores["scores"][scores["scores"] > 1e9]  # where NaN is nothing


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("first_nonfinite", ["backbone.0", "around.heads.0.inner", "around.heads.1.inner"])
def test_what_gives_nan_is_named(first_nonfinite, compiled):
    network = Network()
    detector = NanDetector(network)
    run = torch.compile(network, backend="eager") if compiled else network
    with torch.inference_mode():
        with detector.active():
            run(torch.ones(3, 2))
        with torch.no_grad():
            network.get_submodule(first_nonfinite).weight.fill_(float("nan"))
        assert len(run(torch.ones(3, 2))) == 0  # unwatched
        said = f"what the network's `{first_nonfinite}` gives is not a number"
        with pytest.raises(NotANumberError, match=said), detector.active():
            run(torch.ones(3, 2))


def test_what_a_scripted_part_gives_is_seen_around_it():
    network = Network()
    network.around.scripted.weight.data.fill_(float("nan"))
    with pytest.raises(NotANumberError, match=r"`around\.heads\.0\.inner`"), NanDetector(network).active():
        network(torch.ones(3, 2))


def test_only_the_outer_parts_are_watched_where_that_is_asked_for():
    network = Network()
    network.around.heads[1].inner.weight.data.fill_(float("nan"))
    with pytest.raises(NotANumberError, match="`around` gives"), NanDetector(network, 1).active():
        network(torch.ones(3, 2))


def test_nothing_is_kept():
    network = Network()
    detector = NanDetector(network)
    with detector.active():
        network(torch.ones(3, 2))
    assert detector._seen == []


def test_damaged_weights_are_named():
    assert (
        first_nonfinite({"a": torch.ones(2), "b": torch.tensor([1]), "c": torch.ones(2).to(torch.float8_e4m3fn)})
        is None
    )
    assert first_nonfinite({"a": torch.ones(2), "b": torch.tensor([1.0, float("inf")])}) == "b"


def test_what_a_network_raises_goes_before():
    network = Network()
    network.around.heads[1].inner.weight.data.fill_(float("nan"))
    detector = NanDetector(network)
    with pytest.raises(RuntimeError, match="shapes"), detector.active():
        network(torch.ones(3, 5))


def test_infinity_is_a_number_of_networks():
    network = Network()
    network.around.heads[1].inner.bias.data.fill_(float("-inf"))
    with NanDetector(network).active():
        assert len(network(torch.ones(3, 2))) == 0
