"""mmdet's published weights, in the cache where mmdet itself would look for them."""

from __future__ import annotations

import os
from pathlib import Path

from segharness import download

from segharness_mmdet.catalogue import catalogue


def fetch(weights: str, config: str) -> Path:
    """Return the file of a config's published weights.

    Args:
        weights: ``published``.
        config: below mmdet's configs/.

    Raises:
        segharness.UsageError: it cannot be fetched; the message says which file to put where.
    """
    one = catalogue()[config]
    cache = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return download(one.weights, Path(cache) / "hub" / "checkpoints" / one.weights.rpartition("/")[2], one.digits)
