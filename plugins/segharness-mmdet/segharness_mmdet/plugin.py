"""What this distribution offers to segharness. Imports nothing of mmdet."""

from __future__ import annotations

from segharness import ModelSet, ModelSpec, Option, hookimpl
from segharness.plugin.checks import mapping
from segharness_torch.options import PRECISION, SEED, categories

from segharness_mmdet.catalogue import Published, catalogue

_OPTIONS = {
    "seed": SEED,
    "categories": categories("where the checkpoint does not say"),
    "overrides": Option(
        "settings of the config with other values: {model.test_cfg.rcnn.score_thr: 0.3}", check=mapping
    ),
    "precision": PRECISION,
}
_FOREIGN = {
    "weights": "required",
    "imports": "mmdet",
    "foreign": "segharness_mmdet:foreign_model.py:build",
    "foreign_packages": ("segharness_torch",),
}


@hookimpl
def segharness_models() -> list[ModelSpec | ModelSet]:
    return [*_SETS, _CUSTOM, *map(_spec, catalogue().values())]


def _spec(one: Published) -> ModelSpec:
    tasks = {metric for metrics in one.published.values() for metric in metrics}
    return ModelSpec(
        f"mmdet/{one.name}",
        "segharness_mmdet.foreign_model:build",
        one.head or f"a config of mmdet's {one.config.partition('/')[0]}",
        licence="Apache-2.0",
        paper=one.paper,
        tags=("mmdet", *(("boxes",) if tasks == {"box AP"} else ())),
        weights_names={**({"published": one.digits} if one.weights else {}), "random": ""},
        fetch="segharness_mmdet.published:fetch",
        fixed={"config": one.config},
        options=_OPTIONS,
        metadata={
            "config": one.config,
            **({"head": one.head} if one.head else {}),
            **({"epochs": one.epochs} if one.epochs is not None else {}),
            **({"weights": one.weights} if one.weights else {}),
            **{f"published on {dataset}": dict(found) for dataset, found in one.published.items()},
        },
        **_FOREIGN,
    )


_CUSTOM = ModelSpec(
    "mmdet/custom",
    "segharness_mmdet.foreign_model:build",
    "a config of your own",
    licence="yours",
    tags=("mmdet",),
    weights_names={"random": ""},
    options={
        "config": Option(
            "the config, a Python file, which is run", True, True, files="segharness_torch.config_files:config_files"
        ),
        **_OPTIONS,
    },
    **_FOREIGN,
)

_SETS = (
    ModelSet(
        "mmdet/architectures",
        {
            "mask-rcnn": "mmdet/mask-rcnn_r50_fpn_ms-poly-3x_coco",
            "cascade": "mmdet/cascade-mask-rcnn_r50_fpn_ms-3x_coco",
            "htc": "mmdet/htc_r50_fpn_20e_coco",
            "scnet": "mmdet/scnet_r50_fpn_20e_coco",
            "queryinst": "mmdet/queryinst_r50_fpn_ms-480-800-3x_coco",
            "solo": "mmdet/solo_r50_fpn_3x_coco",
            "solov2": "mmdet/solov2_r50_fpn_ms-3x_coco",
            "yolact": "mmdet/yolact_r50_1xb8-55e_coco",
        },
        "instance segmentation of other kinds, ResNet-50 all of them",
    ),
    ModelSet(
        "mmdet/backbones",
        {
            "swin-t": "mmdet/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco",
            "swin-s": "mmdet/mask-rcnn_swin-s-p4-w7_fpn_amp-ms-crop-3x_coco",
        },
        "Mask R-CNN on Swin transformers",
    ),
    ModelSet(
        "mmdet/scnet",
        {
            "mask-rcnn": "mmdet/mask-rcnn_r50_fpn_2x_coco",
            "cascade": "mmdet/cascade-mask-rcnn_r50_fpn_20e_coco",
            "htc": "mmdet/htc_r50_fpn_20e_coco",
            "scnet": "mmdet/scnet_r50_fpn_20e_coco",
        },
        "what SCNet compares itself with, ResNet-50-FPN",
    ),
)
