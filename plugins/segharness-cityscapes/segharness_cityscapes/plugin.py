"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from typing import Any

from segharness import CategorySet, DatasetSpec, Option, hookimpl

_TREE = """\
ROOT/
  leftImg8bit/                    or leftImg8bit_trainvaltest.zip
    train/ val/
      CITY/
        CITY_SEQUENCE_FRAME_leftImg8bit.png
  gtFine/                         or gtFine_trainvaltest.zip
    train/ val/
      CITY/
        CITY_SEQUENCE_FRAME_gtFine_instanceIds.png"""

_DOWNLOAD = """\
register at https://www.cityscapes-dataset.com (a university or company address is asked for), then fetch
leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip; both are read as they are, or unpacked"""

STREETS7 = ("person", "car", "truck", "bus", "train", "motorcycle", "bicycle")
"""The classes that COCO, Cityscapes and BDD100K share."""


_SHARED: dict[str, Any] = {
    "licence": "Cityscapes' own: research and teaching, not commercial use; not to be passed on",
    "homepage": "https://www.cityscapes-dataset.com",
    "tags": ("streets",),
    "options": {
        "root": Option("the folder of leftImg8bit and gtFine", required=True, path=True, variable="cityscapes"),
        "split": Option("train or val; val when absent"),
    },
    "download": _DOWNLOAD,
    "size": "11 GB of images and 241 MB of annotations, as zip archives",
    "tree": _TREE,
    "part": "split",
    "parts": {"train": 2975, "val": 500},
}


@hookimpl
def segharness_datasets() -> list[DatasetSpec | CategorySet]:
    return [
        DatasetSpec(
            "cityscapes/instances",
            factory="segharness_cityscapes.dataset:CityscapesInstances",
            description="Cityscapes, fine annotations: 8 classes, groups as crowds, void for its own AP; 1024x2048",
            **_SHARED,
        ),
        DatasetSpec(
            "cityscapes/panoptic",
            factory="segharness_cityscapes.dataset:CityscapesPanoptic",
            description="Cityscapes, fine annotations: 8 things and 11 stuff; the things serve as instances; 1024x2048",
            **_SHARED,
        ),
        CategorySet(
            "streets7",
            categories=STREETS7,
            description="the seven classes that COCO shares with Cityscapes and BDD100K",
        ),
    ]
