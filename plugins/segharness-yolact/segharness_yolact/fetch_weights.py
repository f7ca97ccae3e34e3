"""Downloads the weights that the authors' README names into PyTorch's cache."""

from __future__ import annotations

import os
from pathlib import Path

from segharness import download

from segharness_yolact.catalogue import CATALOGUE


def fetch(weights: str, config: str) -> Path:
    """Return the file with a config's published weights; download it if it is missing.

    Args:
        weights: ``published``.
        config: a name in the authors' ``data/config.py``.

    Raises:
        segharness.UsageError: the file cannot be downloaded; the message says which file to put where.
    """
    entry = CATALOGUE[config]
    cache = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return download(entry.weights_link, Path(cache) / "hub" / "checkpoints" / entry.weights_file)
