"""torchvision's published weights: in its own cache, fetched by its own code."""

from __future__ import annotations

import urllib.error
from pathlib import Path

from segharness import UsageError


def fetch(weights: str, name: str) -> Path:
    """Return the file of published weights in torchvision's cache.

    Args:
        weights: their name, ``COCO_V1``.
        name: of torchvision's constructor.

    Raises:
        UsageError: they cannot be fetched; the message says which file to put where.
    """
    import torch
    import torchvision

    url = torchvision.models.get_model_weights(name)[weights].url
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if file.is_file():
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), file.stem.rpartition("-")[2], progress=False)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise UsageError(
            f"the weights {weights} of {name} cannot be fetched: {error}; put {url} at {file}, or give a file"
        ) from error
    return file
