"""What this distribution offers to segharness."""

from __future__ import annotations

from segharness import ModelSpec, Option, hookimpl
from segharness.plugin.checks import number, whole_number
from segharness_torch.options import EXECUTION, SEED, categories

from segharness_torchvision.catalogue import CATALOGUE, Published

_CATEGORIES = categories("for weights of other categories than COCO's")
_OPTIONS = {
    "seed": SEED,
    "categories": _CATEGORIES,
    "min_size": Option(
        "the shorter side that images are brought to, pixels; the network's own when absent", check=whole_number(1)
    ),
    "max_size": Option(
        "the longest the other side may be, pixels; the network's own when absent", check=whole_number(1)
    ),
    "score": Option("detections below are dropped; the network's own, 0.05, when absent", check=number(0, 1)),
    "detections": Option("at most so many an image; the network's own, 100 or 300, when absent", check=whole_number(1)),
    **EXECUTION,
}


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [*map(_spec, CATALOGUE), _CUSTOM]


def _spec(one: Published) -> ModelSpec:
    published = {"box AP": one.box} if one.mask is None else {"box AP": one.box, "mask AP": one.mask}
    return ModelSpec(
        f"torchvision/{one.name}",
        "segharness_torchvision.model:make",
        f"{one.head} {one.backbone}" + (f", {one.recipe} recipe" if one.recipe else ""),
        licence="BSD-3-Clause",
        paper="https://docs.pytorch.org/vision/stable/models.html#object-detection",
        tags=("torchvision", one.name.split("_")[0], *(("boxes",) if one.mask is None else ())),
        weights="required",
        weights_names={"COCO_V1": one.file.rpartition("-")[2].removesuffix(".pth"), "random": ""},
        fixed={"name": one.name},
        fetch="segharness_torchvision.published:fetch",
        options=_OPTIONS,
        metadata={
            "backbone": one.backbone,
            "head": one.head,
            "recipe": one.recipe or "references",
            "file": one.file,
            "published on COCO val2017": published,
        },
    )


_CUSTOM = ModelSpec(
    "torchvision/custom",
    "segharness_torchvision.model:custom",
    "any network of torchvision's detection convention that a function of yours makes",
    licence="yours",
    tags=("torchvision",),
    weights="optional",
    options={
        "builder": Option("./file.py:function, which returns the network", True, code=True),
        "categories": _CATEGORIES,
        **EXECUTION,
    },
)
