"""What this distribution offers to segharness. Imports no framework."""

from __future__ import annotations

from segharness import ModelSpec, Option, hookimpl
from segharness.values import either, names, number, one_of, text, truth, whole
from segharness_torch.options import EXECUTION, SEED

from segharness_transformers.files import FILES

_LOADING = {
    "config": Option(
        "a config.json, or a folder with one: the architecture of `weights: random`",
        False,
        True,
        files="segharness_transformers.files:described",
    ),
    "seed": SEED,
    "revision": Option("a branch, tag or commit of the hub; its main when absent", decides=False, check=text),
    "local_files_only": Option(
        "take what is in the hub's cache, and fetch nothing; no when absent", decides=False, check=truth
    ),
    **EXECUTION,
}
_OUTPUT = {
    "output": Option(
        "`instances`, or `panoptic`: segments that do not overlap; instances when absent",
        check=one_of("instances", "panoptic"),
    ),
    "things": Option(
        "names of the categories that are things, or how many of the first are; all when absent",
        check=either(names, whole(1)),
    ),
    "most": Option("at most so many instances an image; 100", check=whole(1)),
    "object_threshold": Option(
        "of panoptic output: queries whose class has at most this probability are left out; 0.8", check=number(0, 1)
    ),
    "overlap": Option(
        "of panoptic output: segments that keep less of their mask than this are left out; 0.8", check=number(0, 1)
    ),
    **_LOADING,
}
_MASK_SCORE = Option("scores are times the mean probability of the mask's pixels; yes when absent", check=truth)
_PROMPTED = {
    "prompt": Option(
        "what each object is asked for by: boxes, or points; boxes when absent", check=one_of("boxes", "points")
    ),
    "multimask": Option(
        "take that of several masks with the highest predicted IoU, not the single mask; yes for points, no for boxes",
        check=truth,
    ),
    "together": Option("so many prompts at a time; 64", check=whole(1)),
    **_LOADING,
}

_FAMILIES = (
    ("mask2former", "Mask2Former, of any backbone", "https://arxiv.org/abs/2112.01527"),
    ("maskformer", "MaskFormer, of any backbone", "https://arxiv.org/abs/2107.06278"),
    ("oneformer", "OneFormer, asked for the task of `output`", "https://arxiv.org/abs/2211.06220"),
    ("eomt", "EoMT, an encoder-only mask transformer", "https://arxiv.org/abs/2503.19108"),
    ("detr", "DETR, with a mask head, or with boxes only", "https://arxiv.org/abs/2005.12872"),
)
_PROMPTABLE = (
    ("sam", "Segment Anything, which answers boxes or points", "https://arxiv.org/abs/2304.02643"),
    ("sam2", "SAM 2 on images, which answers boxes or points", "https://arxiv.org/abs/2408.00714"),
)


@hookimpl
def segharness_models() -> list[ModelSpec]:
    masks = {**_OUTPUT, "mask_score": _MASK_SCORE}
    return [
        *(_spec(*one, "segmenter", _OUTPUT if one[0] == "detr" else masks, "queries") for one in _FAMILIES),
        *(_spec(*one, "promptable", _PROMPTED, "promptable") for one in _PROMPTABLE),
    ]


def _spec(family: str, description: str, paper: str, module: str, options: dict[str, Option], tag: str) -> ModelSpec:
    return ModelSpec(
        f"transformers/{family}",
        f"segharness_transformers.{module}:make",
        description,
        licence="Apache-2.0 (transformers; weights have licences of their own)",
        paper=paper,
        tags=("transformers", tag),
        weights="required",
        weights_names={"random": ""},
        weights_pattern=r"[A-Za-z0-9][\w.-]*/[\w.-]+",
        weights_form="owner/name of the hub",
        weights_files=FILES,
        check="segharness_transformers.files:problem",
        fetch="segharness_transformers.hub:fetch",
        fixed={"family": family},
        options=options,
        imports="transformers",
    )
