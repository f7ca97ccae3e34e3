"""The 19 corruptions of ImageNet-C, as detection papers use them: ``corrupt(image, "fog", severity=3, seed=0)``."""

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

    The same arguments give the same pixels. A suite's seed, the name of its data set (``"coco/instances"``) and an
    image's id give the pixels of that run. Give each image its own `image_id` (or `seed`); otherwise all images get the
    same noise.

    Args:
        image: uint8 RGB (H, W, 3), both sides at least 32 pixels; not modified.
        name: one of `corruption_names()`, ``"mixed"``, or ``"imagecorruptions/..."`` with the extra ``[reference]``.
        severity: 1 to 5.
        seed, image_id, dataset: the key of the Philox generator that supplies the random draws.
        rng: a numpy Generator that supplies them instead.

    Returns:
        A new uint8 RGB array of the same shape.

    Raises:
        TypeError: the image is not a uint8 array, `rng` is not a Generator, or another argument has the wrong type.
        ValueError: the image has another shape or is too small, or the severity or the name is unknown.
        ImportError: the name begins with ``"imagecorruptions/"`` and that package is not installed.

    Example:
        >>> import numpy as np
        >>> gray = np.full((32, 48, 3), 100, dtype=np.uint8)
        >>> corrupt(gray, "brightness", severity=1)[0, 0].tolist()
        [125, 125, 125]
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
        chosen = stage[int(rng.integers(len(stage)))] if len(stage) > 1 else stage[0]
        image = _function(family, chosen)(image, severity, rng)
    return image


def _check_key(name: object, seed: object, image_id: object, dataset: object) -> None:
    for argument, value in (("seed", seed), ("image_id", image_id)):
        if not hasattr(value, "__index__") or isinstance(value, bool):
            raise TypeError(f"{argument} is {value!r:.60}, not a whole number")
    for argument, value in (("name", name), ("dataset", dataset)):
        if not isinstance(value, str):
            raise TypeError(f"{argument} is {value!r:.60}, not a text")


def corruption_names() -> list[str]:
    """Return the names of the 19 corruptions, in the order of the imagecorruptions package.

    Example:
        >>> corruption_names()[:3]
        ['gaussian_noise', 'shot_noise', 'impulse_noise']
    """
    return list(ALL)


def _function(family: str, name: str) -> Any:
    """Return the function of a corruption; `family` is "" or `REFERENCE`."""
    from importlib import import_module

    if family:
        from segharness_corruptions.imagecorruptions_family import PACKAGE

        return getattr(PACKAGE, name)
    return getattr(import_module(f"segharness_corruptions.{BY_NAME[name].module}"), name)
