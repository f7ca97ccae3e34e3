"""mmdet's configs by name, with the weights it publishes for them. Does not import mmdet.

`make_catalogue.py` made `catalogue.json` from mmdet 3.3.0. The eight digits at the end of a weights file's name are
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
        head: the name of the method in mmdet's list; empty if the config is not in the list.
        paper: a link.
        weights: a link; empty if mmdet publishes none.
        epochs: of training; None if mmdet does not say.
        published: box AP, mask AP, PQ in percent, by data set.
    """

    config: str
    head: str = ""
    paper: str = ""
    weights: str = ""
    epochs: int | None = None
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file name of the config, without ``.py``."""
        return PurePosixPath(self.config).stem

    @property
    def facts(self) -> dict[str, str]:
        """Facts that its name says: the backbone, the data, and a normalisation or initialisation of its own."""
        parts = self.name.replace("-", "_").split("_")
        backbone = next((text for part, text in _BACKBONES.items() if part in self.name), None)
        return {
            **({"backbone": backbone + ("-FPN" if "fpn" in parts else "")} if backbone else {}),
            **({"trained_on": "COCO train2017"} if "coco" in parts else {}),
            **({"normalisation": "GN"} if "gn" in parts else {"normalisation": "SyncBN"} if "syncbn" in parts else {}),
            **({"initialisation": "scratch"} if "scratch" in parts else {}),
        }

    @property
    def digits(self) -> str:
        """The first eight digits of the sha256 of its weights; empty if unknown."""
        match = re.search(r"[-_]([0-9a-f]{8})\.pth$", self.weights)
        return match[1] if match else ""


_BACKBONES = {
    "swin-t": "Swin-T",
    "swin-s": "Swin-S",
    "swin-l": "Swin-L",
    "_r50": "ResNet-50",
    "_r101": "ResNet-101",
    "_x101-32x4d": "ResNeXt-101-32x4d",
    "_x101-32x8d": "ResNeXt-101-32x8d",
    "_x101-64x4d": "ResNeXt-101-64x4d",
}


@functools.cache
def catalogue() -> dict[str, Published]:
    """Return all configs, by `Published.config`."""
    rows: list[dict[str, Any]] = json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
    return {row["config"]: Published(**row) for row in rows}
