"""What this distribution offers to segharness."""

from __future__ import annotations

from segharness import DatasetSpec, ModelSpec, hookimpl

_PAPER = "https://arxiv.org/abs/1909.07829"


@hookimpl
def segharness_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec("toycells/test", "segharness_toycells.dataset:test", "AdaptIS's toy problem: 2000 images, generated",
                    licence="Apache-2.0", homepage=_PAPER, tags=("toy",)),
        DatasetSpec("toycells/quick", "segharness_toycells.dataset:quick", "the first 64 images of toycells/test",
                    licence="Apache-2.0", homepage=_PAPER, tags=("toy",)),
    ]  # fmt: skip


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec("toycells/threshold", "segharness_toycells.segmenters:Threshold",
                  "Otsu's threshold and connected components", "Apache-2.0", tags=("toy", "classical")),
        ModelSpec("toycells/watershed", "segharness_toycells.segmenters:Watershed",
                  "Otsu's threshold and a watershed from the distance transform", "Apache-2.0", tags=("toy", "classical")),
    ]  # fmt: skip
