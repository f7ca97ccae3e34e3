"""What this distribution offers to segharness."""

from __future__ import annotations

from segharness import ConditionSet, CorruptionSpec, MixtureSpec, hookimpl

from segharness_corruptions.catalogue import ALL, CATALOGUE, COMMON, PAPER15, STAGES


@hookimpl
def segharness_corruptions() -> list[CorruptionSpec | MixtureSpec | ConditionSet]:
    corruptions = [
        CorruptionSpec(
            entry.name,
            f"segharness_corruptions.{entry.module}:{entry.name}",
            entry.category,
            entry.description,
            version=entry.version,
            parameters={severity: f"{entry.symbols}: {value}" for severity, value in enumerate(entry.parameters, 1)},
        )
        for entry in CATALOGUE
    ]
    return [
        *corruptions,
        MixtureSpec("mixed", STAGES, "one blur, one noise, one digital, one weather, drawn for every image"),
        ConditionSet("paper15", PAPER15, (3,), "the robustness benchmark for instance segmentation: 15 at severity 3"),
        ConditionSet("imagenet-c-common", COMMON, (1, 2, 3, 4, 5), "ImageNet-C's 15 common corruptions"),
        ConditionSet("imagenet-c-all", ALL, (1, 2, 3, 4, 5), "ImageNet-C's 15 common and 4 validation corruptions"),
    ]
