"""detectron2's models by name, with the weights it publishes for them. Does not import detectron2.

`make_catalogue.py` made `catalogue.json` from a checkout of detectron2 (02b5c4e).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Published:
    """A config of detectron2.

    Attributes:
        name: its name in suites: the config's own name, with its folder if another config has the same name.
        config: its path below configs/, or ``projects/...`` below a checkout.
        weights: a link; empty if detectron2 publishes none.
        published: box AP, mask AP, PQ in percent, on the data set that it was trained for.
    """

    name: str
    config: str
    weights: str = ""
    published: Mapping[str, float] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts read from its name: backbone, head, normalisation, initialisation, epochs, augmentation."""
        folder = PurePosixPath(self.config).parts[0]
        trained_on = {"trained_on": "COCO train2017"} if folder.startswith(("COCO-", "new_baselines", "Misc")) else {}
        return {**_facts_of_name(PurePosixPath(self.config).stem), **trained_on, "config": self.config}


@functools.cache
def catalogue() -> dict[str, Published]:
    """Return all models, by `Published.config`."""
    rows: list[dict[str, Any]] = json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
    models: dict[str, Published] = {}
    names: set[str] = set()
    for row in sorted(rows, key=lambda row: _yields_name(row["config"])):
        path = PurePosixPath(row["config"])
        if path.suffix == ".py" and str(path.with_suffix(".yaml")) in {each["config"] for each in rows}:
            continue  # the same model in the other format
        name = path.stem if path.stem not in names else f"{path.parent.name}/{path.stem}"
        names.add(name)
        models[row["config"]] = Published(name, **row)
    return models


def _yields_name(config: str) -> bool:
    """Return whether a config of the same name for COCO takes precedence."""
    return "LVIS" in config or config.startswith(("Detectron1", "PascalVOC"))


_BACKBONES = {
    "R_50_C4": "ResNet-50-C4",
    "R_101_C4": "ResNet-101-C4",
    "R_50_DC5": "ResNet-50-DC5",
    "R_101_DC5": "ResNet-101-DC5",
    "R_50_FPN": "ResNet-50-FPN",
    "R_101_FPN": "ResNet-101-FPN",
    "X_101_32x8d_FPN": "ResNeXt-101-32x8d-FPN",
    "X_152_32x8d_FPN": "ResNeXt-152-32x8d-FPN",
    "regnetx_4gf": "RegNetX-4GF-FPN",
    "regnety_4gf": "RegNetY-4GF-FPN",
    "mvitv2_t": "MViTv2-T-FPN",
    "mvitv2_s": "MViTv2-S-FPN",
    "mvitv2_b": "MViTv2-B-FPN",
    "mvitv2_l": "MViTv2-L-FPN",
    "mvitv2_h": "MViTv2-H-FPN",
    "vitdet_b": "ViT-B",
    "vitdet_l": "ViT-L",
    "vitdet_h": "ViT-H",
    "swin_b": "Swin-B-FPN",
    "swin_l": "Swin-L-FPN",
}
_HEADS = {
    "cascade_mask_rcnn": "Cascade Mask R-CNN",
    "pointrend_rcnn": "PointRend",
    "implicit_pointrend": "Implicit PointRend",
    "panoptic_fpn": "Panoptic FPN",
    "mask_rcnn": "Mask R-CNN",
    "faster_rcnn": "Faster R-CNN",
    "retinanet": "RetinaNet",
    "fcos": "FCOS",
}


def _facts_of_name(stem: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for labels, key in ((_BACKBONES, "backbone"), (_HEADS, "head")):
        name = next((name for part, name in labels.items() if part in stem), None)
        if name is not None:
            facts[key] = name
    if "R_50" in stem or "R_101" in stem or "X_101" in stem:
        syncbn = "syncbn" in stem or "LSJ" in stem
        facts["normalisation"] = "SyncBN" if syncbn else "GN" if stem.endswith("_gn") else "frozen BN"
        facts["initialisation"] = "scratch" if "scratch" in stem or "LSJ" in stem else "ImageNet"
    epochs = next((n for mark, n in (("_1x", 12), ("_3x", 36), ("_9x", 108)) if mark in stem), None)
    for part in stem.split("_"):
        if part.endswith("ep") and part[:-2].isdigit():
            epochs = int(part[:-2])
    if epochs is not None:
        facts["epochs"] = epochs
    if "LSJ" in stem:
        facts["augmentation"] = "large scale jitter"
    if "head" in facts:
        facts["family"] = facts["head"]
    if "dconv" in stem:
        facts["convolutions"] = "deformable, stages 3 to 5"
    return facts
