"""torchvision's published weights, fetched by its own code into its own cache."""

from __future__ import annotations

import urllib.error
from pathlib import Path

from segharness import UsageError


def fetch(weights: str, name: str) -> Path:
    """Return the file with published weights in torchvision's cache; download it if it is missing.

    Args:
        weights: the name of the weights, ``COCO_V1``.
        name: the name of torchvision's constructor.

    Raises:
        UsageError: the weights cannot be downloaded; the message says which file to put where.
    """
    import torch
    import torchvision

    url = str(torchvision.models.get_model_weights(name)[weights].url)
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
