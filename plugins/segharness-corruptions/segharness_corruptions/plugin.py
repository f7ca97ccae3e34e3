"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from collections.abc import Iterator

from segharness import ConditionSet, CorruptionSpec, MixtureSpec, hookimpl

from segharness_corruptions import imagecorruptions_family
from segharness_corruptions.catalogue import ALL, CATALOGUE, COMMON, MIXED, PAPER15, REFERENCE, SMALLEST, STAGES


@hookimpl
def segharness_corruptions() -> list[CorruptionSpec | MixtureSpec | ConditionSet]:
    installed = imagecorruptions_family.version()
    missing = "" if installed else "its package is not installed: pip install 'segharness-corruptions[reference]'"
    return [
        *_family("", "segharness_corruptions.{0.module}:{0.name}", None, ""),
        *_family(
            REFERENCE, "segharness_corruptions.imagecorruptions_family:PACKAGE.{0.name}", installed or "-", missing
        ),
        ConditionSet(
            "imagenet-c-common",
            corruptions=COMMON,
            severities=(1, 2, 3, 4, 5),
            description="ImageNet-C's 15 common corruptions",
        ),
        ConditionSet(
            "imagenet-c-all",
            corruptions=ALL,
            severities=(1, 2, 3, 4, 5),
            description="ImageNet-C's 15 common and 4 validation corruptions",
        ),
    ]


def _family(
    prefix: str, function: str, version: str | None, unavailable: str
) -> Iterator[CorruptionSpec | MixtureSpec | ConditionSet]:
    """Yield the 19 corruptions of a family, its mixture, and its set for the robustness benchmark."""
    own = f" (the package's own{'; not installed' if unavailable else ''})" if prefix else ""
    for entry in CATALOGUE:
        yield CorruptionSpec(
            prefix + entry.name,
            apply=function.format(entry),
            category=entry.category,
            description=entry.description + own,
            version=version or entry.version,
            parameters={severity: f"{entry.symbols}: {value}" for severity, value in enumerate(entry.parameters, 1)},
            unavailable=unavailable,
            smallest=SMALLEST,
        )
    yield MixtureSpec(
        prefix + MIXED,
        stages=tuple(tuple(prefix + name for name in stage) for stage in STAGES),
        description=f"one blur, one noise, one digital, one weather, drawn for every image{own}",
    )
    yield ConditionSet(
        f"{prefix}paper15",
        corruptions=tuple(prefix + name for name in PAPER15),
        severities=(3,),
        description=f"the robustness benchmark for instance segmentation: 15 at severity 3{own}",
    )
