"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from segharness import DatasetSpec, ModelSpec, hookimpl

from segharness_toycells.options import ENLARGED, SHRINK

_PAPER = "https://arxiv.org/abs/1909.07829"
_SPLITS = {
    "train": "AdaptIS's toy problem: 10000 images, generated",
    "test": "AdaptIS's toy problem: 2000 test images, generated",
    "quick": "the first 64 images of toycells/test",
}


@hookimpl
def segharness_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            f"toycells/{split}",
            factory=f"segharness_toycells.dataset:{split}",
            description=description,
            licence="Apache-2.0",
            homepage=_PAPER,
            tags=("toy",),
            options={"enlarged": ENLARGED},
        )
        for split, description in _SPLITS.items()
    ]


_SEGMENTERS = {
    "threshold": "Otsu's threshold and connected components",
    "watershed": "Otsu's threshold and a watershed from the distance transform",
}


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            f"toycells/{name}",
            factory=f"segharness_toycells.segmenters:{name.title()}",
            description=description,
            licence="Apache-2.0",
            tags=("toy", "classical"),
            options={"shrink": SHRINK},
        )
        for name, description in _SEGMENTERS.items()
    ]
