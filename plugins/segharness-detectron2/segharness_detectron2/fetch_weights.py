"""Downloads detectron2's published weights into the cache that detectron2 itself uses."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlparse

from segharness import download

from segharness_detectron2.catalogue import catalogue


def fetch(weights: str, config: str) -> Path:
    """Return the file with a config's published weights; download it if it is missing.

    Args:
        weights: ``published``.
        config: a path as in the catalogue.

    Raises:
        segharness.UsageError: the file cannot be downloaded; the message says which file to put where.
    """
    url = catalogue()[config].weights
    cache = Path(os.environ.get("FVCORE_CACHE") or Path.home() / ".torch" / "iopath_cache").expanduser()
    return download(url, cache / urlparse(url).path.lstrip("/"))


def projects(source: Path) -> list[Path]:
    """Return the files in a checkout of detectron2 that the models of its projects depend on."""
    return [file for pattern in ("*.py", "*.yaml") for file in (source / "projects").rglob(pattern)]
