"""Downloads detectron2's published weights into the cache that detectron2 itself uses."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlparse

from segharness import UsageError, download

from segharness_detectron2.catalogue import catalogue


def fetch(weights: str, config: str) -> Path:
    """Return the file with a config's published weights; download it if it is missing.

    The file's name ends in the first six digits of its md5 (MODEL_ZOO.md of detectron2), which are compared.

    Args:
        weights: ``published``.
        config: a path as in the catalogue.

    Raises:
        segharness.UsageError: the file cannot be downloaded, or is another one; the message says which to put where.
    """
    url = catalogue()[config].weights
    cache = Path(os.environ.get("FVCORE_CACHE") or Path.home() / ".torch" / "iopath_cache").expanduser()
    path = download(url, cache / urlparse(url).path.lstrip("/"))
    declared = re.fullmatch(r".*_([0-9a-f]{6})\.pkl", path.name)
    if declared is not None and not (actual := _md5(path)).startswith(declared[1]):
        raise UsageError(
            f"{path} has the md5 {actual[:6]}..., not {declared[1]}... as its name says: damaged, or another file; "
            "remove it, and it is fetched again"
        )
    return path


def _md5(path: Path) -> str:
    state = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def projects(source: Path) -> list[Path]:
    """Return the files in a checkout of detectron2 that the models of its projects depend on."""
    return [file for pattern in ("*.py", "*.yaml") for file in (source / "projects").rglob(pattern)]
