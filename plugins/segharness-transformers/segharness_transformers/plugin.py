"""The models that this distribution registers with segharness. Imports no framework."""

from __future__ import annotations

from segharness import ModelSpec, Option, WeightsSpec, hookimpl

from segharness_transformers.files import FILES
from segharness_transformers.options import MASKS, OUTPUT, PROMPTED

_ANY_SIZE = ("mask2former", "maskformer", "oneformer", "detr")
"""Families whose networks take images of any size; the others have position embeddings for one."""

_FAMILIES = (
    ("mask2former", "Mask2Former, of any backbone", "https://arxiv.org/abs/2112.01527"),
    ("maskformer", "MaskFormer, of any backbone", "https://arxiv.org/abs/2107.06278"),
    ("oneformer", "OneFormer, told the task of `output`", "https://arxiv.org/abs/2211.06220"),
    ("eomt", "EoMT, an encoder-only mask transformer", "https://arxiv.org/abs/2503.19108"),
    ("detr", "DETR, with a mask head, or with boxes only", "https://arxiv.org/abs/2005.12872"),
)
_PROMPTABLE = (
    ("sam", "Segment Anything, which answers boxes or points", "https://arxiv.org/abs/2304.02643"),
    ("sam2", "SAM 2 on images, which answers boxes or points", "https://arxiv.org/abs/2408.00714"),
)


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        *(_spec(*family, "segmenter", OUTPUT if family[0] == "detr" else MASKS, "queries") for family in _FAMILIES),
        *(_spec(*family, "promptable", PROMPTED, "promptable") for family in _PROMPTABLE),
    ]


def _spec(family: str, description: str, paper: str, module: str, options: dict[str, Option], tag: str) -> ModelSpec:
    return ModelSpec(
        f"transformers/{family}",
        factory=f"segharness_transformers.{module}:make",
        description=description,
        licence="Apache-2.0 (transformers; weights have licences of their own)",
        paper=paper,
        tags=("transformers", tag),
        weights=WeightsSpec(
            "required",
            names={"random": ""},
            pattern=r"[A-Za-z0-9][\w.-]*/[\w.-]+",
            pattern_text="owner/name on the hub",
            fetch="segharness_transformers.hub:fetch",
            origin="segharness_transformers.hub:origin",
            in_folder=FILES,
        ),
        check="segharness_transformers.files:problem",
        fixed={"family": family},
        resolutions=("model", "original") if family in _ANY_SIZE else ("model",),
        options=options,
        imports="transformers",
    )
