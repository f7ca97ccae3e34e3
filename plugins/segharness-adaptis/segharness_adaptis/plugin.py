"""What this distribution offers to segharness."""

from __future__ import annotations

from typing import Any

from segharness import ModelSpec, Option, hookimpl
from segharness.values import one_of, whole
from segharness_toycells.options import SHRINK

_SHARED: dict[str, Any] = {
    "licence": "Apache-2.0",
    "paper": "https://arxiv.org/abs/1909.07829",
    "weights": "optional",
    "weights_file": "segharness_adaptis:weights/toy.safetensors",
    "weights_digest": "7d7b2c5bc2999e2a6a1353661ecb08855392ff9393fd2eadaee9e4ca8ec6838e",
    "metadata": {"backbone": "U-Net 24-128", "normalisation": "batch", "initialisation": "scratch", "epochs": 3.5},
}
_NETWORK = Option(
    "whose weights are given: `toy` (the shipped widths) or `full` (the authors'); toy", check=one_of("toy", "full")
)


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "adaptis/toy",
            "segharness_adaptis.model:toy",
            "AdaptIS, trained on its toy problem; masks under points, gathered greedily",
            tags=("toy", "adaptis"),
            options={
                "points": Option(
                    "`random` candidates, or those the `proposals` branch ranks highest; random",
                    check=one_of("random", "proposals"),
                ),
                "candidates": Option("points an iteration; 7 random ones, 1 proposal", check=whole(1, 1000)),
                "shrink": SHRINK,
                "network": _NETWORK,
                "seed": Option("of the random candidates; 0", check=whole(0)),
            },
            **_SHARED,
        ),
        ModelSpec(
            "adaptis/toy-points",
            "segharness_adaptis.model:toy_points",
            "the same network under given points: one point in, one mask out",
            tags=("toy", "adaptis", "prompted"),
            options={"shrink": SHRINK, "network": _NETWORK},
            **_SHARED,
        ),
    ]
