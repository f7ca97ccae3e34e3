"""The printed tables that this distribution registers with segharness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from segharness import PublishedSpec, hookimpl

_ROBUSTNESS = "Altindis, Dalva, Pehlivan, Dundar: Benchmarking the Robustness of Instance Segmentation Models"
_ROBUST_DETECTION = (
    "Michaelis et al.: Benchmarking Robustness in Object Detection, 2019; the authors' raw data "
    "(bethgelab/robust-detection-benchmark, MIT)"
)

PAPER15 = (
    "motion_blur", "defocus_blur", "gaussian_blur", "gaussian_noise", "impulse_noise", "shot_noise", "speckle_noise",
    "brightness", "contrast", "saturate", "jpeg_compression", "snow", "spatter", "fog", "frost",
)  # fmt: skip
"""The corruptions of the robustness benchmark for instance segmentation."""

BENCHMARK15 = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
"""The corruptions of the Robust Detection Benchmark's mPC."""

_CORRUPTED = {
    "ia": ("normalisation and initialisation", "R50-FPN", "mask AP"),
    "ib": ("architectures", "C4", "mask AP"),
    "ic": ("backbones", "R50", "mask AP"),
    "id": ("augmentation", "base108", "mask AP"),
    "iii": ("trained without and with a mask head", "w/o", "box AP"),
}
_SHIFTED = {
    "iia": ("normalisation and initialisation", "R50", "mask AP"),
    "iib": ("architectures", "C4", "mask AP"),
    "iic": ("backbones", "R50", "mask AP"),
    "iid": ("augmentation", "base", "mask AP"),
    "iv": ("trained without and with a mask head", "w/o", "box AP"),
}
_IDS = {
    **{"GN scr": "gn-scratch", "SyncBN scr": "syncbn-scratch", "w/o": "without", "with": "together"},
    **{"GNscr": "gn-scratch", "SyncBNscr": "syncbn-scratch", "FPNCas": "fpn-cas", "Deform": "fpn-deform"},
    **{"MViT": "mvitv2", "base": "base108", "YOLACT++": "yolact-plus"},
}
"""The ids of rows in suites/paper that are not the printed names in lower case."""

_STREETS = {
    "resolution": "original",
    "labels": {"rider": "person"},
    "categories": ("person", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
}
_DATASETS = {
    "coco_val": {"dataset": "coco/2017", "images": 5000, "resolution": "model", "labels": {}, "categories": ()},
    "cityscapes_val": {"dataset": "cityscapes/instances", "images": 500, **_STREETS},
    "cityscapes_train": {"dataset": "cityscapes/instances", "images": 2975, **_STREETS},
    "bdd100k_val": {"dataset": "bdd100k/instances", "images": 1000, **_STREETS},
}

_OTHERS = {
    "scnet": ("SCNet: Training Inference Sample Consistency for Instance Segmentation", "12345"),
    "adaptis": ("AdaptIS: Adaptive Instance Selection Network", "1234567"),
    "deepmac": ("The surprising impact of mask-head architecture on novel class segmentation (Deep-MAC)", "12345678"),
}

_VAL, _TEST_DEV = ("coco/2017", 5000), ("coco/2017", 20288)
_COCO = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L")
_PQ = ("PQ", "PQ_st", "PQ_th")


def _columns(prefix: str, data: tuple[str, int], task: str, metrics: tuple[str, ...], **more: str) -> dict[str, Any]:
    """Return what columns measure that are called `prefix` and the name of a metric."""
    dataset, images = data
    return {
        prefix + metric: {"dataset": dataset, "images": images, "task": task, "metric": metric, **more}
        for metric in metrics
    }


def _measures(name: str) -> dict[str, Any]:
    """Return what the columns of a printed table measure, as far as they are numbers that results have."""
    if name == "scnet/1":
        boxes = _columns("COCO test-dev, mask: box ", _TEST_DEV, "bbox", ("AP",))
        return {**_columns("COCO test-dev, mask: ", _TEST_DEV, "segm", _COCO), **boxes}
    if name == "coco-to-cityscapes/iii":
        masks = _columns("COCO val2017, mask: ", _VAL, "segm", _COCO)
        return {**_columns("COCO val2017, box: ", _VAL, "bbox", _COCO), **masks}
    if name == "adaptis/1":
        note = "the toy problem is generated anew from the paper's words: these are other images"
        metrics = ("AP50", "AP70", "AP80", "AP90")
        return _columns("toy problem, 2000 test images: ", ("toycells/test", 2000), "segm", metrics, note=note)
    panoptic = {
        "adaptis/2": ("Cityscapes val: ", ("cityscapes/panoptic", 500)),
        "adaptis/3": ("Mapillary val: ", ("mapillary/vistas", 2000)),
        "adaptis/5": ("COCO val2017: ", ("coco/panoptic-2017", 5000)),
    }
    if name in panoptic:
        prefix, data = panoptic[name]
        semantic = _columns(prefix, data, "semantic", ("mIoU",), evaluation="semantic") if name == "adaptis/2" else {}
        return {**_columns(prefix, data, "panoptic", _PQ, evaluation="panoptic"), **semantic}
    of_deepmac = {
        "deepmac/1": "COCO val2017, VOC masks only, Mask R-CNN FPN: AP",
        "deepmac/5": "COCO val2017, VOC masks only, Deep-MAC: AP",
    }
    if name in of_deepmac:
        dataset, images = _VAL
        splits = {"": "all", " voc": "voc", " non-voc": "non-voc"}
        return {
            of_deepmac[name] + ending: {
                "dataset": dataset,
                "images": images,
                "task": "segm",
                "metric": "AP",
                "split": split,
            }
            for ending, split in splits.items()
        }
    return {}


_SCNET_IDS = {"Mask R-CNN R50": "mask-rcnn-r50"} | {
    f"Cascade Mask R-CNN {backbone}": f"cascade-{backbone.lower()}" for backbone in ("R50", "R101", "X101")
}
_TRANSFER_IDS = {"Mask R-CNN": "mask-rcnn", "Mask R-CNN + PointRend": "pointrend"}


def _file(name: str) -> str:
    return f"segharness_published:tables/{name}.csv"


@hookimpl
def segharness_published() -> Iterator[PublishedSpec]:
    printed = {"average": "published_avg", "cd": "published_cd", "rcd": "published_rcd"}
    for number, (what, reference, metric) in _CORRUPTED.items():
        yield PublishedSpec(
            f"robustness/{number}",
            tables={"AP": _file(f"robustness_{number}")},
            source=_ROBUSTNESS,
            where=f"Table I{number[1:]}" if number != "iii" else "Table III",
            description=f"{metric}: {what}; clean, 15 corruptions, mixed",
            protocol=f"COCO val2017, {metric} in percent, 15 corruptions at severity 3; mixed is outside of the averages.",
            clean="clean",
            reference=reference,
            task="bbox" if number == "iii" else "segm",
            dataset="coco/2017",
            images=5000,
            severity=3,
            printed={**printed, "mixed": "mixed"},
            ids=_IDS,
            sets={"paper15": PAPER15},
        )
    for number, (what, reference, metric) in _SHIFTED.items():
        yield PublishedSpec(
            f"robustness/{number}",
            tables={"AP": _file(f"robustness_{number}")},
            source=_ROBUSTNESS,
            where=f"Table II{number[2:]}" if number != "iv" else "Table IV",
            description=f"{metric}: {what}; COCO to Cityscapes and BDD100K",
            protocol=f"Trained on COCO; {metric} in percent on COCO val, Cityscapes val and train, BDD100K val at their "
            "original resolutions; seven classes, riders are people.",
            clean="coco_val",
            reference=reference,
            task="bbox" if number == "iv" else "segm",
            printed=printed,
            ids={**_IDS, "R50": "r50-fpn"} if number == "iia" else _IDS,
            datasets=_DATASETS,
            sets={"streets": ("cityscapes_val", "cityscapes_train", "bdd100k_val")},
        )
    for dataset, shown, reference in (
        ("coco", "COCO val2017", "mask_rcnn_r50_fpn_1x"),
        ("cityscapes", "Cityscapes val", "mask_rcnn_r50_fpn_1x_city"),
    ):
        for task, what in (("segm", "mask"), ("bbox", "box")):
            metrics = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L")
            yield PublishedSpec(
                f"robust-detection/{dataset}-{task}",
                tables={m: _file(f"robust_detection_{dataset}_{task}_{m.lower()}") for m in metrics},
                source=_ROBUST_DETECTION,
                where="raw data",
                description=f"{shown}: detectors of mmdetection, {what} AP in every cell, 19 corruptions x 5 severities",
                protocol=f"{shown}, {what} AP as fractions, severities 1 to 5 of the imagecorruptions package.",
                scale=1.0,
                decimals=4,
                clean="clean",
                reference=reference,
                task=task,
                dataset="coco/2017" if dataset == "coco" else "cityscapes/instances",
                images=5000 if dataset == "coco" else 500,
                sets={"benchmark15": BENCHMARK15, "paper15": PAPER15},
            )
    for name, (source, numbers) in _OTHERS.items():
        for number in numbers:
            yield PublishedSpec(
                f"{name}/{number}",
                tables={"AP": _file(f"{name}_{number}")},
                source=source,
                where=f"Table {number}",
                description=f"Table {number} of {source.partition(':')[0]}",
                protocol="The headings say what was measured on what.",
                ids=_SCNET_IDS if name == "scnet" else {},
                measures=_measures(f"{name}/{number}"),
            )
    for number in ("iii", "iv"):
        yield PublishedSpec(
            f"coco-to-cityscapes/{number}",
            tables={"AP": _file(f"coco_to_cityscapes_{number}")},
            source="Instance segmentation from COCO to Cityscapes, a transfer study of Mask R-CNN and PointRend",
            where=f"Table {number.upper()}",
            ids=_TRANSFER_IDS,
            measures=_measures(f"coco-to-cityscapes/{number}"),
            description="Mask R-CNN and PointRend on COCO" if number == "iii" else "the same on Cityscapes, by class",
            protocol="The headings say what was measured on what. In the table by class AP50 is 1.25 AP in every class, so "
            "it cannot be held against measured numbers." if number == "iv" else "The headings say what was measured.",
        )  # fmt: skip
