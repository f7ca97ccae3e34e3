"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from segharness import CategorySet, DatasetSpec, ModelSpec, Option, hookimpl
from segharness.plugin.option_checks import one_of

from segharness_coco.names import NON_VOC, VOC

_COCO = "COCO: annotations CC BY 4.0; photographs under their own Flickr licences"

_OPTIONS_2017 = {
    "root": Option("the folder of annotations and images", required=True, path=True, variable="coco"),
    "split": Option("val2017 or train2017; val2017 when absent"),
}
_ORIENTATION = Option(
    "what becomes of an EXIF orientation: `apply` or `stored`; where absent, images are turned if only then they have "
    "their declared size",
    check=one_of("apply", "stored"),
)
_PARTS_2017 = {"val2017": 5000, "train2017": 118287}

_TREE_2017 = """\
ROOT/
  annotations/                    or annotations_trainval2017.zip
    instances_val2017.json
    instances_train2017.json
    image_info_test-dev2017.json  from image_info_test2017.zip
  val2017/                        or val2017.zip
  train2017/                      or train2017.zip
  test2017/                       or test2017.zip"""

_TREE_PANOPTIC = """\
ROOT/
  annotations/                    from panoptic_annotations_trainval2017.zip, unpacked
    panoptic_val2017.json
    panoptic_val2017/             or panoptic_val2017.zip, which is in it
    panoptic_train2017.json
    panoptic_train2017/           or panoptic_train2017.zip
  val2017/                        or val2017.zip
  train2017/                      or train2017.zip"""

_TREE_O = """\
ROOT/                             or a folder with ood_coco.zip
  cartoon/ handmake/ painting/ sketch/ tattoo/ weather/
    annotations/
      instances_val2017.json
    val2017/"""

_TREE_LVIS = """\
ROOT/
  lvis_v1_val.json                or lvis_v1_val.json.zip
IMAGES/
  val2017/                        or val2017.zip; val has images of both
  train2017/                      or train2017.zip"""


@hookimpl
def segharness_datasets() -> list[DatasetSpec | CategorySet]:
    return [
        DatasetSpec(
            "coco/instances",
            factory="segharness_coco.dataset:CocoInstances",
            description="any COCO-format instance data set",
            licence=_COCO,
            homepage="https://cocodataset.org",
            options={
                "annotations": Option(
                    "the annotation file, e.g. annotations/instances_val2017.json", required=True, path=True
                ),
                "images": Option(
                    "their folder or zip archive, e.g. val2017; not needed for coco-results", required=False, path=True
                ),
                "orientation": _ORIENTATION,
                "maskless": Option(
                    "what becomes of objects without a mask where others have one: `ignore` (not scored), `box` (their box "
                    "is their mask) or `drop`",
                    check=one_of("ignore", "box", "drop"),
                ),
            },
        ),
        DatasetSpec(
            "coco/2017",
            factory="segharness_coco.dataset:Coco2017",
            description="COCO 2017: 80 categories",
            licence=_COCO,
            homepage="https://cocodataset.org",
            options={
                **_OPTIONS_2017,
                "split": Option(
                    "val2017 or train2017, or test-dev2017 or test2017, which have no public ground truth; val2017 when "
                    "absent"
                ),
            },
            download="https://cocodataset.org/#download: val2017.zip, train2017.zip and annotations_trainval2017.zip; "
            "for test-dev2017 test2017.zip and image_info_test2017.zip",
            size="val2017 1 GB, train2017 18 GB, annotations 241 MB, as zip archives",
            tree=_TREE_2017,
            part="split",
            parts={**_PARTS_2017, "test-dev2017": 20288, "test2017": 40670},
        ),
        DatasetSpec(
            "coco/o",
            factory="segharness_coco.dataset:CocoO",
            description="COCO-O: COCO's objects in six other domains, boxes; 6782 images in all",
            licence="annotations and images under their own terms; see the homepage",
            homepage="https://github.com/alibaba/easyrobust/tree/main/benchmarks/coco_o",
            options={
                "root": Option("the folder of the domains", required=True, path=True, variable="coco_o"),
                "domain": Option("cartoon, handmake, painting, sketch, tattoo or weather", required=True),
            },
            download="ood_coco.zip, from the address on the homepage; read as it is, or unpacked",
            tree=_TREE_O,
            part="domain",
            parts=dict.fromkeys(("cartoon", "handmake", "painting", "sketch", "tattoo", "weather")),
        ),
        DatasetSpec(
            "lvis/v1",
            factory="segharness_coco.dataset:LvisV1",
            description="LVIS v1: 1203 categories on COCO's images; score it with the metric `lvis`",
            licence="annotations CC BY 4.0; photographs under their own Flickr licences",
            homepage="https://www.lvisdataset.org",
            options={
                "root": Option(
                    "the folder of lvis_v1_val.json, or of its zip archive", required=True, path=True, variable="lvis"
                ),
                "split": Option("val or train; val when absent"),
                "images": Option(
                    "the folder of COCO's train2017 and val2017; the root when absent",
                    required=False,
                    path=True,
                    variable="coco",
                ),
            },
            download="https://www.lvisdataset.org/dataset: lvis_v1_val.json.zip; and COCO's train2017.zip and val2017.zip",
            size="images as COCO's: train2017 18 GB, val2017 1 GB",
            tree=_TREE_LVIS,
            part="split",
            parts={"val": 19809, "train": 100170},
        ),
        DatasetSpec(
            "coco/panoptic-2017",
            factory="segharness_coco.panoptic:Panoptic2017",
            description="COCO 2017, panoptic: 80 things and 53 stuff; the things serve as instances",
            licence=_COCO,
            homepage="https://cocodataset.org",
            options=_OPTIONS_2017,
            download="https://cocodataset.org/#download: val2017.zip, train2017.zip, panoptic_annotations_trainval2017.zip",
            size="val2017 1 GB, train2017 18 GB, annotations 821 MB, as zip archives",
            tree=_TREE_PANOPTIC,
            part="split",
            parts=_PARTS_2017,
        ),
        DatasetSpec(
            "coco/panoptic",
            factory="segharness_coco.panoptic:CocoPanoptic",
            description="any COCO-format panoptic data set; its things serve as instances",
            licence=_COCO,
            homepage="https://cocodataset.org",
            options={
                "annotations": Option(
                    "the JSON file, e.g. annotations/panoptic_val2017.json", required=True, path=True
                ),
                "segments": Option(
                    "folder or zip archive of the PNG files; beside the JSON file when absent",
                    required=False,
                    path=True,
                ),
                "images": Option(
                    "their folder or zip archive, e.g. val2017; not needed for coco-results", required=False, path=True
                ),
                "orientation": _ORIENTATION,
            },
        ),
        CategorySet("voc", categories=VOC, description="the 20 categories of PASCAL VOC, under COCO's names"),
        CategorySet("non-voc", categories=NON_VOC, description="the other 60 categories of COCO"),
    ]


@hookimpl
def segharness_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            "coco-results",
            stored=True,
            factory="segharness_coco.results:CocoResults",
            reads={".json": "coco/instances"},
            description="detections that another program wrote: coco-results/DIR, one COCO result file a condition "
            "(clean.json ...), or coco-results/FILE, of clean images",
            tags=("stored",),
            options={
                "folder": Option(
                    "the folder of the result files, or one result file, of clean images",
                    required=True,
                    path=True,
                    files="segharness_coco.results:read_files",
                )
            },
            tail="folder",
        )
    ]
