"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from segharness import DatasetSpec, Option, hookimpl

_TREE = """\
ROOT/                             zip archives of BDD100K may lie here as they are
  images/10k/
    train/ val/
      NAME.jpg
  labels/ins_seg/
    bitmasks/
      train/ val/
        NAME.png
    rles/                         read with form: rles, instead of bitmasks
      ins_seg_train.json
      ins_seg_val.json"""

_DOWNLOAD = """\
register at https://bdd-data.berkeley.edu, then fetch "10K Images" and "Instance Segmentation"; the archives are read as
they are, or unpacked (their folder bdd100k/ is ROOT)"""


@hookimpl
def segharness_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            "bdd100k/instances",
            factory="segharness_bdd100k.dataset:Bdd100kInstances",
            description="BDD100K instance segmentation: 8 classes, crowds and ignored regions as crowds; 720x1280",
            licence="BDD100K's own: free for research and teaching; see its licence page for other uses",
            homepage="https://bdd-data.berkeley.edu",
            tags=("streets",),
            options={
                "root": Option("the folder of images and labels", required=True, path=True, variable="bdd100k"),
                "split": Option("train or val; val when absent"),
                "form": Option("of the annotations: bitmasks (RGBA PNG files; when absent) or rles (the JSON file)"),
            },
            download=_DOWNLOAD,
            size="1.1 GB of images (its test part has no annotations)",
            tree=_TREE,
            part="split",
            parts={"train": 7000, "val": 1000},
        )
    ]
