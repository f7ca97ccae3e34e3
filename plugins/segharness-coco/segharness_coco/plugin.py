"""What this distribution offers to segharness."""

from __future__ import annotations

from segharness import CategorySet, CommandSpec, DatasetSpec, ModelSpec, Option, hookimpl

from segharness_coco.names import NON_VOC, VOC


@hookimpl
def segharness_datasets() -> list[DatasetSpec | CategorySet]:
    return [
        DatasetSpec(
            "coco/instances",
            "segharness_coco.dataset:CocoInstances",
            "any COCO-format instance data set",
            licence="COCO: annotations CC BY 4.0; photographs under their own Flickr licences",
            homepage="https://cocodataset.org",
            options={
                "annotations": Option("the annotation file, e.g. annotations/instances_val2017.json", True, True),
                "images": Option("the folder of the images, e.g. val2017/; not needed for coco-results", False, True),
            },
        ),
        DatasetSpec(
            "coco/panoptic",
            "segharness_coco.panoptic:CocoPanoptic",
            "any COCO-format panoptic data set; its things serve as instances",
            licence="COCO: annotations CC BY 4.0; photographs under their own Flickr licences",
            homepage="https://cocodataset.org",
            options={
                "annotations": Option("the JSON file, e.g. annotations/panoptic_val2017.json", True, True),
                "segments": Option(
                    "the folder of the PNG files; the JSON file without its ending, when absent", False, True
                ),
                "images": Option("the folder of the images, e.g. val2017/; not needed for coco-results", False, True),
            },
        ),
        CategorySet("voc", VOC, "the 20 categories of PASCAL VOC, under COCO's names"),
        CategorySet("non-voc", NON_VOC, "the other 60 categories of COCO"),
    ]


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "coco-results",
            "segharness_coco.results:CocoResults",
            "detections that another program wrote: coco-results/DIR, one COCO result file a condition (clean.json ...)",
            tags=("stored",),
            options={"folder": Option("the folder of the result files", True, True)},
            tail="folder",
        )
    ]


@hookimpl
def segharness_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            "coco-check",
            "name every broken annotation and image of a COCO-format data set",
            "segharness_coco.check:configure",
            "segharness_coco.check:execute",
        )
    ]
