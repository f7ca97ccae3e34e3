"""The models that this distribution registers with segharness. Imports neither a framework nor the authors' code."""

from __future__ import annotations

from typing import Any

from segharness import ForeignSpec, ModelSpec, Option, WeightsSpec, hookimpl
from segharness.plugin.option_checks import mapping, text
from segharness_torch.options import PRECISION, SEED, categories

from segharness_yolact.catalogue import CATALOGUE, Published

_OPTIONS = {
    "source": Option(
        "a checkout of https://github.com/dbolya/yolact, whose code is run",
        required=True,
        path=True,
        files="segharness_yolact.checks:source_files",
        check="segharness_yolact.checks:not_a_checkout",
    ),
    "seed": SEED,
    "categories": categories("if they are not those of the config's data set"),
    "overrides": Option("new values for settings of the config: {nms_conf_thresh: 0.0}", check=mapping),
    "precision": PRECISION,
}
_COMMON: dict[str, Any] = {
    "factory": "segharness_yolact.foreign_model:build",
    "licence": "MIT",
    "check": "segharness_yolact.checks:missing_weights",  # says which file to get, which "required" would not
    "resolutions": ("model", "original"),
    "imports": "torchvision",  # the authors' code is no package; a checkout of it is never installed
    "foreign": ForeignSpec(
        "segharness_yolact:foreign_model.py:build", packages=("segharness_torch", "segharness_yolact")
    ),
}
_PAPERS = {"YOLACT": "https://arxiv.org/abs/1904.02689", "YOLACT++": "https://arxiv.org/abs/1912.06218"}


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [*map(_spec, CATALOGUE.values()), _CUSTOM]


def _spec(entry: Published) -> ModelSpec:
    return ModelSpec(
        f"yolact/{entry.name}",
        description=f"{entry.family} {entry.backbone}, {entry.input_size} pixels, the authors' own code",
        paper=_PAPERS[entry.family],
        tags=("yolact", "one-stage"),
        fixed={"config": entry.config},
        options=_OPTIONS,
        metadata=entry.metadata,
        weights=WeightsSpec(
            "optional",
            names={**({"published": ""} if entry.weights_link else {}), "random": ""},
            fetch="segharness_yolact.fetch_weights:fetch",
        ),
        **_COMMON,
    )


_CUSTOM = ModelSpec(
    "yolact/custom",
    description="a config of your own, in data/config.py of your checkout",
    paper=_PAPERS["YOLACT"],
    tags=("yolact", "one-stage"),
    options={
        "config": Option("its name in data/config.py: yolact_resnet50_pascal_config", required=True, check=text),
        **_OPTIONS,
    },
    weights=WeightsSpec("optional", names={"random": ""}),
    **_COMMON,
)
