"""The models that this distribution registers with segharness. Does not import detectron2."""

from __future__ import annotations

from typing import Any

from segharness import ForeignSpec, ModelSet, ModelSpec, Option, WeightsSpec, hookimpl
from segharness.plugin.option_checks import mapping
from segharness_torch.options import OUTPUT, PRECISION, SEED, categories

from segharness_detectron2.catalogue import Published, catalogue

_OPTIONS = {
    "seed": SEED,
    "categories": categories("if they are not those of its data set"),
    "overrides": Option(
        "new values for settings of the config: {MODEL.ROI_HEADS.SCORE_THRESH_TEST: 0.0}", check=mapping
    ),
    "source": Option(
        "a checkout of detectron2, which has its projects, if detectron2 was not installed from one",
        required=False,
        path=True,
        files="segharness_detectron2.fetch_weights:projects",
    ),
    "precision": PRECISION,
    "output": OUTPUT,
}
_FOREIGN: dict[str, Any] = {
    "resolutions": ("model", "original"),
    "imports": "detectron2",
    "foreign": ForeignSpec("segharness_detectron2:foreign_model.py:build", packages=("segharness_torch",)),
}


@hookimpl
def segharness_models() -> list[ModelSpec | ModelSet]:
    return [*_SETS, _CUSTOM, *map(_spec, catalogue().values())]


def _spec(entry: Published) -> ModelSpec:
    facts = entry.metadata
    description = " ".join(str(facts[key]) for key in ("head", "backbone") if key in facts)
    return ModelSpec(
        f"detectron2/{entry.name}",
        factory="segharness_detectron2.foreign_model:build",
        description=description or f"detectron2's {entry.name}",
        licence="Apache-2.0; weights CC BY-SA 3.0",
        tags=("detectron2", *(("boxes",) if set(entry.published) == {"box AP"} else ())),
        weights=WeightsSpec(
            "required",
            names={**({"published": ""} if entry.weights else {}), "random": ""},
            fetch="segharness_detectron2.fetch_weights:fetch",
        ),
        fixed={"config": entry.config},
        options=_OPTIONS,
        metadata={
            **facts,
            **({"weights": entry.weights} if entry.weights else {}),
            **({"published": dict(entry.published)} if entry.published else {}),
        },
        **_FOREIGN,
    )


_CUSTOM = ModelSpec(
    "detectron2/custom",
    factory="segharness_detectron2.foreign_model:build",
    description="a config of your own",
    licence="yours",
    tags=("detectron2",),
    weights=WeightsSpec("required", names={"random": ""}),
    options={
        "config": Option(
            "the config, .yaml or .py; both may run code",
            required=True,
            path=True,
            files="segharness_torch.config_files:config_files",
        ),
        **_OPTIONS,
    },
    **_FOREIGN,
)


def _set(name: str, description: str, **models: str) -> ModelSet:
    named = {id.replace("_", "-"): f"detectron2/{model}" for id, model in models.items()}
    return ModelSet(f"detectron2/{name}", models=named, description=description)


_R50 = "mask_rcnn_R_50_FPN_3x"
_SETS = (
    _set(
        "normalisation",
        "the robustness paper's Table Ia: Mask R-CNN ResNet-50-FPN under other normalisation and initialisation",
        r50_fpn=_R50,
        gn=f"{_R50}_gn",
        syncbn=f"{_R50}_syncbn",
        gn_scratch="scratch_mask_rcnn_R_50_FPN_9x_gn",
        syncbn_scratch="scratch_mask_rcnn_R_50_FPN_9x_syncbn",
    ),
    _set(
        "architectures",
        "those architectures of the robustness paper that detectron2 has, on ResNet-50-FPN",
        mask_rcnn_r50=_R50,
        cascade_r50="cascade_mask_rcnn_R_50_FPN_3x",
        deformable="mask_rcnn_R_50_FPN_3x_dconv_c3-c5",
        pointrend="pointrend_rcnn_R_50_FPN_3x_coco",
    ),
    _set(
        "backbones",
        "those backbones of the robustness paper that detectron2 has, under Mask R-CNN",
        r50_fpn=_R50,
        r50_c4="mask_rcnn_R_50_C4_3x",
        r50_dc5="mask_rcnn_R_50_DC5_3x",
        r101_fpn="mask_rcnn_R_101_FPN_3x",
        x101_fpn="mask_rcnn_X_101_32x8d_FPN_3x",
        mvitv2_t="mask_rcnn_mvitv2_t_3x",
    ),
    _set(
        "augmentation",
        "the robustness paper's Table Id: from scratch for 108 epochs, and with large scale jitter for 100, 200, 400",
        base108="scratch_mask_rcnn_R_50_FPN_9x_syncbn",
        aug100="mask_rcnn_R_50_FPN_100ep_LSJ",
        aug200="mask_rcnn_R_50_FPN_200ep_LSJ",
        aug400="mask_rcnn_R_50_FPN_400ep_LSJ",
    ),
    _set(
        "joint",
        "the robustness paper's Tables III and IV: the detector trained without and with a mask head",
        without="faster_rcnn_R_50_FPN_3x",
        together=_R50,
    ),
)
