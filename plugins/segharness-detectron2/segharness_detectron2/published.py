"""detectron2's published weights, in the cache where detectron2 itself would look for them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlparse

from segharness import download

from segharness_detectron2.catalogue import catalogue


def fetch(weights: str, config: str) -> Path:
    """Return the file of a config's published weights.

    Args:
        weights: ``published``.
        config: as in the catalogue.

    Raises:
        segharness.UsageError: it cannot be fetched; the message says which file to put where.
    """
    url = catalogue()[config].weights
    cache = Path(os.environ.get("FVCORE_CACHE") or Path.home() / ".torch" / "iopath_cache").expanduser()
    return download(url, cache / urlparse(url).path.lstrip("/"))


def projects(source: Path) -> list[Path]:
    """Return the files of a checkout of detectron2 that its projects' models are made of."""
    return [file for pattern in ("*.py", "*.yaml") for file in (source / "projects").rglob(pattern)]
