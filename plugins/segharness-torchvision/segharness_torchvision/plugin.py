"""The models that this distribution registers with segharness."""

from __future__ import annotations

from segharness import ModelSpec, Option, WeightsSpec, hookimpl
from segharness.plugin.option_checks import number, whole_number
from segharness_torch.options import EXECUTION, SEED, categories

from segharness_torchvision.catalogue import CATALOGUE, Published

_CATEGORIES = categories("for weights with other categories than COCO's")
_OPTIONS = {
    "seed": SEED,
    "categories": _CATEGORIES,
    "min_size": Option(
        "the shorter side of resized images, pixels; the network's own when absent", check=whole_number(1)
    ),
    "max_size": Option(
        "the upper limit of their longer side, pixels; the network's own when absent", check=whole_number(1)
    ),
    "score": Option("drop detections with a lower score; the network's own, 0.05, when absent", check=number(0, 1)),
    "detections": Option(
        "the most detections per image; the network's own, 100 or 300, when absent", check=whole_number(1)
    ),
    **EXECUTION,
}


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [*map(_spec, CATALOGUE), _CUSTOM]


def _spec(entry: Published) -> ModelSpec:
    published = {"box AP": entry.box} if entry.mask is None else {"box AP": entry.box, "mask AP": entry.mask}
    return ModelSpec(
        f"torchvision/{entry.name}",
        factory="segharness_torchvision.model:make",
        description=f"{entry.head} {entry.backbone}" + (f", {entry.recipe} recipe" if entry.recipe else ""),
        licence="BSD-3-Clause",
        paper="https://docs.pytorch.org/vision/stable/models.html#object-detection",
        tags=("torchvision", entry.name.split("_")[0], *(("boxes",) if entry.mask is None else ())),
        weights=WeightsSpec(
            "required",
            names={"COCO_V1": entry.digits, "random": ""},
            fetch="segharness_torchvision.fetch_weights:fetch",
        ),
        fixed={"name": entry.name},
        options=_OPTIONS,
        resolutions=("model", "original"),
        version="2" if entry.zero_eps else "1",  # 2: the published weights' epsilon
        metadata={
            "backbone": entry.backbone,
            "family": entry.head,
            "head": entry.head,
            "trained_on": "COCO train2017",
            "initialisation": "ImageNet",
            "recipe": entry.recipe or "references",
            "file": entry.file,
            "published on COCO val2017": published,
        },
    )


_CUSTOM = ModelSpec(
    "torchvision/custom",
    factory="segharness_torchvision.model:custom",
    description="a network of torchvision's detection convention that your own function makes",
    licence="yours",
    tags=("torchvision",),
    weights=WeightsSpec("optional"),
    options={
        "builder": Option("./file.py:function, which returns the network", required=True, code=True),
        "categories": _CATEGORIES,
        **EXECUTION,
    },
)
