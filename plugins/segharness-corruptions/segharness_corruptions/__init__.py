"""The 19 corruptions of ImageNet-C as the detection literature uses them: ``corrupt(image, "fog", severity=3, seed=0)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segharness_corruptions.catalogue import ALL, BY_NAME, MIXED, REFERENCE, STAGES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["corrupt", "corruption_names"]


def corrupt(
    image: npt.NDArray[np.uint8],
    name: str,
    severity: int = 1,
    *,
    seed: int = 0,
    image_id: int = 0,
    dataset: str = "",
    rng: np.random.Generator | None = None,
) -> npt.NDArray[np.uint8]:
    """Return a corrupted copy of an image.

    The same arguments give the same pixels; with a suite's seed, the name of its data set (``"coco/instances"``) and the
    id of an image they are the pixels of that run. Give each image its own `image_id` (or `seed`), or all of them get the
    same noise.

    Args:
        image: uint8 RGB (H, W, 3), both sides at least 32 pixels; not modified.
        name: one of `corruption_names()`, ``"mixed"``, or ``"imagecorruptions/..."`` with the extra ``[reference]``.
        severity: 1 to 5.
        seed, image_id, dataset: the key of the Philox generator that is drawn from.
        rng: a numpy Generator to draw from instead of the key's.

    Raises:
        TypeError: the image is no uint8 array, `rng` no Generator, a number or a name of another type.
        ValueError: the image has another shape or is too small, the severity or the name is unknown.
        ImportError: ``"imagecorruptions/..."`` without the package.
    """
    import numpy as np
    from segharness import generator

    from segharness_corruptions.pixels import check

    check(image, severity)
    _check_key(name, seed, image_id, dataset)
    if name not in (*ALL, MIXED) and name.removeprefix(REFERENCE) not in (*ALL, MIXED):
        raise ValueError(f"no corruption {name!r}; there are {', '.join((*ALL, MIXED))}, and {REFERENCE}NAME of each")
    if rng is None:
        rng = generator(int(seed), dataset, int(image_id), name, severity)
    elif not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is a {type(rng).__name__}, not a numpy Generator (numpy.random.default_rng(0))")
    family = REFERENCE if name.startswith(REFERENCE) else ""
    stages = STAGES if name.removeprefix(family) == MIXED else ((name.removeprefix(family),),)
    for stage in stages:
        one = stage[int(rng.integers(len(stage)))] if len(stage) > 1 else stage[0]
        image = _function(family, one)(image, severity, rng)
    return image


def _check_key(name: object, seed: object, image_id: object, dataset: object) -> None:
    for what, value in (("seed", seed), ("image_id", image_id)):
        if not hasattr(value, "__index__") or isinstance(value, bool):
            raise TypeError(f"{what} is {value!r:.60}, not a whole number")
    for what, value in (("name", name), ("dataset", dataset)):
        if not isinstance(value, str):
            raise TypeError(f"{what} is {value!r:.60}, not a text")


def corruption_names() -> list[str]:
    """Return the names of the 19 corruptions, in the order of the imagecorruptions package."""
    return list(ALL)


def _function(family: str, name: str) -> Any:
    from importlib import import_module

    if family:
        from segharness_corruptions.reference import PACKAGE

        return getattr(PACKAGE, name)
    return getattr(import_module(f"segharness_corruptions.{BY_NAME[name].module}"), name)
