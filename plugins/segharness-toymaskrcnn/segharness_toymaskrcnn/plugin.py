"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from segharness import ModelSpec, WeightsSpec, hookimpl
from segharness_toycells.options import SHRINK

_DIGESTS = {
    "bn": "761058adc869136d43e0b6b5765b4bab8ec4e8096212205332eb9d83d40352fb",
    "gn": "aaa55dc07b130b36d8e8a74332221601464e78eb05949611b3112adfa42245bb",
}
_NORMS = {"bn": ("batch", "batch_norm"), "gn": ("group", "group_norm")}
"""For each network the name of its normalisation, and its factory."""


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            f"toymaskrcnn/{norm}",
            factory=f"segharness_toymaskrcnn.model:{factory}",
            description=f"a small Mask R-CNN in {normalisation} norm, trained on the toy problem",
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1703.06870",
            tags=("toy", "maskrcnn", norm),
            weights=WeightsSpec(
                "optional", shipped=f"segharness_toymaskrcnn:weights/{norm}.safetensors", sha256=_DIGESTS[norm]
            ),
            options={"shrink": SHRINK},
            resolutions=("model", "original"),
            metadata={
                "backbone": "residual 24-96, FPN 32",
                "normalisation": normalisation,
                "initialisation": "scratch",
            },
        )
        for norm, (normalisation, factory) in _NORMS.items()
    ]
