"""The models that this distribution registers with segharness. Does not import mmdet."""

from __future__ import annotations

from typing import Any

from segharness import ForeignSpec, ModelSet, ModelSpec, Option, WeightsSpec, hookimpl
from segharness.plugin.option_checks import mapping
from segharness_torch.options import OUTPUT, PRECISION, SEED, categories

from segharness_mmdet.catalogue import Published, catalogue

_OPTIONS = {
    "seed": SEED,
    "categories": categories("for a checkpoint that does not name them"),
    "overrides": Option("new values for settings of the config: {model.test_cfg.rcnn.score_thr: 0.3}", check=mapping),
    "precision": PRECISION,
    "output": OUTPUT,
}
_FOREIGN: dict[str, Any] = {
    "resolutions": ("model", "original"),
    "imports": "mmdet",
    "foreign": ForeignSpec("segharness_mmdet:foreign_model.py:build", packages=("segharness_torch",)),
}


@hookimpl
def segharness_models() -> list[ModelSpec | ModelSet]:
    return [*_SETS, _CUSTOM, *map(_spec, catalogue().values())]


def _spec(entry: Published) -> ModelSpec:
    tasks = {metric for metrics in entry.published.values() for metric in metrics}
    return ModelSpec(
        f"mmdet/{entry.name}",
        factory="segharness_mmdet.foreign_model:build",
        description=entry.head or f"a config of mmdet's {entry.config.partition('/')[0]}",
        licence="Apache-2.0",
        paper=entry.paper,
        tags=("mmdet", *(("boxes",) if tasks == {"box AP"} else ())),
        weights=WeightsSpec(
            "required",
            names={**({"published": entry.digits} if entry.weights else {}), "random": ""},
            fetch="segharness_mmdet.fetch_weights:fetch",
        ),
        fixed={"config": entry.config},
        options=_OPTIONS,
        metadata={
            "config": entry.config,
            **({"family": entry.head, "head": entry.head} if entry.head else {}),
            **entry.facts,
            **({"epochs": entry.epochs} if entry.epochs is not None else {}),
            **({"weights": entry.weights} if entry.weights else {}),
            **{f"published on {dataset}": dict(scores) for dataset, scores in entry.published.items()},
        },
        **_FOREIGN,
    )


_CUSTOM = ModelSpec(
    "mmdet/custom",
    factory="segharness_mmdet.foreign_model:build",
    description="a config of your own",
    licence="yours",
    tags=("mmdet",),
    weights=WeightsSpec("required", names={"random": ""}),
    options={
        "config": Option(
            "the config, a Python file, which is run",
            required=True,
            path=True,
            files="segharness_torch.config_files:config_files",
        ),
        **_OPTIONS,
    },
    **_FOREIGN,
)

_SETS = (
    ModelSet(
        "mmdet/architectures",
        models={
            "mask-rcnn": "mmdet/mask-rcnn_r50_fpn_ms-poly-3x_coco",
            "cascade": "mmdet/cascade-mask-rcnn_r50_fpn_ms-3x_coco",
            "htc": "mmdet/htc_r50_fpn_20e_coco",
            "scnet": "mmdet/scnet_r50_fpn_20e_coco",
            "queryinst": "mmdet/queryinst_r50_fpn_ms-480-800-3x_coco",
            "solo": "mmdet/solo_r50_fpn_3x_coco",
            "solov2": "mmdet/solov2_r50_fpn_ms-3x_coco",
            "yolact": "mmdet/yolact_r50_1xb8-55e_coco",
        },
        description="several architectures of instance segmentation, all with ResNet-50",
    ),
    ModelSet(
        "mmdet/backbones",
        models={
            "swin-t": "mmdet/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco",
            "swin-s": "mmdet/mask-rcnn_swin-s-p4-w7_fpn_amp-ms-crop-3x_coco",
        },
        description="Mask R-CNN on Swin transformers",
    ),
    ModelSet(
        "mmdet/scnet",
        models={
            "mask-rcnn": "mmdet/mask-rcnn_r50_fpn_2x_coco",
            "cascade": "mmdet/cascade-mask-rcnn_r50_fpn_20e_coco",
            "htc": "mmdet/htc_r50_fpn_20e_coco",
            "scnet": "mmdet/scnet_r50_fpn_20e_coco",
        },
        description="SCNet and the models its paper compares it with, ResNet-50-FPN",
    ),
)
