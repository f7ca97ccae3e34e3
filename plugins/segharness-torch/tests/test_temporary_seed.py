"""torch's generators, seeded for a while."""

from __future__ import annotations

import pytest
import torch
from segharness_torch.temporary_seed import torch_seeded


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


@pytest.mark.parametrize("seed", ["abc", True, 1.5, None])
def test_what_is_no_seed_is_said(seed):
    with pytest.raises(ValueError, match=r"`seed` is .*, not a whole number"), torch_seeded(seed):
        pass


def test_they_are_restored_when_something_is_raised():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(KeyError), torch_seeded(7):
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
