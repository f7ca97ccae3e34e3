"""How a network is executed: every way finds what the plain one does, up to rounding."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from segharness import UsageError
from segharness_torch.execution import Execution
from segharness_torch.temporary_seed import torch_seeded
from torch import nn


def answer(**how):
    with torch_seeded(2):
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
    execution = Execution("cpu", **how)
    [pixels] = execution.tensors([np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)])
    prepared = execution.prepared(network)
    with execution.predicting():
        return prepared(pixels[None]).float()


@pytest.mark.parametrize(
    ("how", "tolerance"),
    [({"channels_last": True}, 1e-5), ({"compile": True}, 1e-5), ({"precision": "bfloat16"}, 2e-2)],
)
def test_every_way_finds_the_same(how, tolerance):
    if "compile" in how and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler on a processor")
    plain, found = answer(), answer(**how)
    assert torch.allclose(plain, found, atol=tolerance)
    assert ("precision" in how) == (not torch.allclose(plain, found, atol=1e-5))


def test_what_is_no_way_is_said():
    with pytest.raises(UsageError, match="`precision` is 'half', not float32, float16 or bfloat16"):
        Execution(precision="half")
    with pytest.raises(UsageError, match="`channels_last` is 'yes', not true or false"):
        Execution(channels_last="yes")
