"""mmdet's configs by name: what they are, and the weights that it publishes. Imports nothing of mmdet.

`catalogue.json` is made by `make_catalogue.py` from mmdet 3.3.0. The eight digits at the end of a weights file's name are
the first of its sha256.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Published:
    """A config of mmdet.

    Attributes:
        config: its path below mmdet's configs/.
        head: what mmdet's list calls the method; empty for a config that is not in it.
        paper: a link.
        weights: a link; empty for a config without.
        epochs: of training, where mmdet says so.
        published: box AP, mask AP, PQ in percent, by the data set that they are of.
    """

    config: str
    head: str = ""
    paper: str = ""
    weights: str = ""
    epochs: int | None = None
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return PurePosixPath(self.config).stem

    @property
    def digits(self) -> str:
        """The first digits of the sha256 of its weights."""
        found = re.search(r"[-_]([0-9a-f]{8})\.pth$", self.weights)
        return found[1] if found else ""


@functools.cache
def catalogue() -> dict[str, Published]:
    """Return all of them, by their config."""
    rows: list[dict[str, Any]] = json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
    return {row["config"]: Published(**row) for row in rows}
