"""What is wrong with the options of a model, found before the first cell; and the files of the authors' code.

Imports no framework, and nothing of the checkout.
"""

from __future__ import annotations

from pathlib import Path

from segharness_yolact.catalogue import CATALOGUE

_MODULES = ("yolact.py", "backbone.py", "data/config.py", "layers/output_utils.py", "utils/augmentations.py")


def missing_weights(weights: str | None, config: str) -> str | None:
    """Return which file to get if a suite gives no weights, or None."""
    if weights is not None:
        return None
    entry = CATALOGUE.get(config)
    if entry is None or not entry.weights_link:
        return f"needs `weights:`, a file that train.py of the authors wrote for {config}, or random"
    return (
        f"needs `weights:`, a file, published, or random; published is {entry.weights_file}, which the README of "
        f"https://github.com/dbolya/yolact says is at {entry.weights_link}"
    )


def not_a_checkout(source: str) -> str | None:
    """Return what a folder lacks of the authors' code, as the end of a sentence, or None."""
    lacking = next((name for name in _MODULES if not (Path(source) / name).is_file()), None)
    if lacking is None:
        return None
    return f"is {source}, no checkout of https://github.com/dbolya/yolact: it has no {lacking}"


def source_files(source: Path) -> list[Path]:
    """Return the files of a checkout that its networks and their answers depend on, for identities."""
    parts = [file for part in ("data", "layers", "utils") for file in (source / part).rglob("*.py")]
    return [source / "yolact.py", source / "backbone.py", *parts]
