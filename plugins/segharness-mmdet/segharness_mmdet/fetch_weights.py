"""Downloads mmdet's published weights into the cache that mmdet itself uses."""

from __future__ import annotations

import os
from pathlib import Path

from segharness import download

from segharness_mmdet.catalogue import catalogue


def fetch(weights: str, config: str) -> Path:
    """Return the file with a config's published weights; download it if it is missing.

    Args:
        weights: ``published``.
        config: a path below mmdet's configs/.

    Raises:
        segharness.UsageError: the file cannot be downloaded; the message says which file to put where.
    """
    entry = catalogue()[config]
    cache = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return download(entry.weights, Path(cache) / "hub" / "checkpoints" / entry.weights.rpartition("/")[2], entry.digits)
