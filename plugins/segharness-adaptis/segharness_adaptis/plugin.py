"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from typing import Any

from segharness import ModelSpec, WeightsSpec, hookimpl
from segharness_toycells.options import SHRINK

from segharness_adaptis.options import CANDIDATES, NETWORK, POINTS, SEED

_SHARED: dict[str, Any] = {
    "licence": "Apache-2.0",
    "paper": "https://arxiv.org/abs/1909.07829",
    "weights": WeightsSpec(
        "optional",
        shipped="segharness_adaptis:weights/toy.safetensors",
        sha256="7d7b2c5bc2999e2a6a1353661ecb08855392ff9393fd2eadaee9e4ca8ec6838e",
    ),
    "metadata": {"backbone": "U-Net 24-128", "normalisation": "batch", "initialisation": "scratch", "epochs": 3.5},
}


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "adaptis/toy",
            factory="segharness_adaptis.model:toy",
            description="AdaptIS, trained on its toy problem; masks under points, gathered greedily",
            tags=("toy", "adaptis"),
            options={
                "points": POINTS,
                "candidates": CANDIDATES,
                "shrink": SHRINK,
                "network": NETWORK,
                "seed": SEED,
            },
            **_SHARED,
        ),
        ModelSpec(
            "adaptis/toy-points",
            factory="segharness_adaptis.model:toy_points",
            description="the same network under given points: one point in, one mask out",
            tags=("toy", "adaptis", "prompted"),
            options={"shrink": SHRINK, "network": NETWORK},
            **_SHARED,
        ),
    ]
