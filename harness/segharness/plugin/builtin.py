"""What segharness itself offers, through the same hooks as every plugin."""

from __future__ import annotations

from collections.abc import Iterable

from segharness.plugin.hookspecs import hookimpl
from segharness.plugin.specs import CommandSpec, ExecutorSpec, MetricSpec, ReporterSpec


def _command(name: str, summary: str, module: str = "", execute: str = "execute") -> CommandSpec:
    """Return the command in a module of `segharness.cli.commands`; the module is called like the command by default."""
    path = f"segharness.cli.commands.{module or name}"
    return CommandSpec(name, summary, f"{path}:configure", f"{path}:{execute}")


@hookimpl
def segharness_commands() -> Iterable[CommandSpec]:
    return [
        _command("run", "run suites: predictions, results, table"),
        _command("collect", "show the cells that a run would have, and the resolved suite"),
        _command("status", "show the progress of a run, also of one on another machine"),
        _command("score", "compute a run's results again from its stored predictions"),
        _command("report", "print or write the tables of a run"),
        _command("compare", "show the differences between two models' results, with intervals"),
        _command("degradation", "compute CD and rCD of a table of APs"),
        _command("export-results", "write a run's predictions as COCO result files", "export_results"),
        _command("schema", "print the JSON Schema of suite files"),
        _command("models", "list the models that plugins offer", "list_specs", "models"),
        _command("datasets", "list the data sets that plugins offer; check the files of one"),
        _command(
            "corruptions", "list the corruptions and condition sets that plugins offer", "list_specs", "corruptions"
        ),
        _command("corrupt", "corrupt image files"),
        _command("config", "save where data sets and frameworks are on this machine"),
        _command("preview", "draw one image under many corruptions, on one sheet"),
        _command("sheet", "draw images of a data set with and without their ground truth, on one sheet"),
        _command("export", "write a corrupted copy of a data set"),
        _command("plugins", "list the installed plugins, what they offer, and which were left out"),
    ]


COCO_METRICS = ("AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L", "AR1", "AR10", "AR100", "AR_S", "AR_M", "AR_L")
"""COCO's 12 numbers, in pycocotools' order."""


@hookimpl
def segharness_metrics() -> Iterable[MetricSpec]:
    return [
        MetricSpec(
            "coco",
            "segharness.score.evaluations.coco:score",
            tasks=("segm", "bbox", "boundary"),
            metrics=COCO_METRICS,
            engines=("hotcoco", "pycocotools"),
            description="COCO's 12 numbers from the IoU of masks, boxes or boundaries, as pycocotools defines them",
            configure="segharness.score.evaluations.coco_parameters:configure",
        ),
        MetricSpec(
            "cityscapes",
            "segharness.score.evaluations.cityscapes:score",
            tasks=("segm",),
            metrics=("AP", "AP50"),
            also=("void",),
            description="Cityscapes' own instance-level AP, as its evaluation scripts define it",
        ),
        MetricSpec(
            "lvis",
            "segharness.score.evaluations.lvis:score",
            tasks=("segm", "bbox"),
            metrics=(*COCO_METRICS[:6], "APr", "APc", "APf", "AR300", *COCO_METRICS[9:]),
            description="LVIS's AP of federated annotations, over rare, common and frequent categories too, by hotcoco",
        ),
        MetricSpec(
            "given-boxes",
            "segharness.score.evaluations.prompted:boxes",
            tasks=("segm",),
            metrics=("mask_mIoU", "mask_IoU", *COCO_METRICS),
            description="masks in the ground truth's boxes: mean IoU over categories and over instances, and AP",
        ),
        MetricSpec(
            "given-points",
            "segharness.score.evaluations.prompted:points",
            tasks=("segm",),
            metrics=("mask_mIoU", "mask_IoU", *COCO_METRICS),
            description="masks from a point in each ground truth: mean IoU over categories and over instances, and AP",
        ),
        MetricSpec(
            "panoptic",
            "segharness.score.evaluations.panoptic:score",
            tasks=("panoptic",),
            metrics=("PQ", "SQ", "RQ", "PQ_th", "SQ_th", "RQ_th", "PQ_st", "SQ_st", "RQ_st"),
            ground_truth="panoptic",
            description="PQ, SQ and RQ, overall and for things and stuff, by hotcoco's panoptic engine",
        ),
        MetricSpec(
            "speed",
            "segharness.score.evaluations.speed:score",
            tasks=("speed",),
            metrics=("fps", "ms_median", "ms_p95"),
            description="frames per second and milliseconds per image of predict alone, at batch 1, after warm-up",
        ),
    ]


@hookimpl
def segharness_executors() -> Iterable[ExecutorSpec]:
    return [
        ExecutorSpec(
            "local", "segharness.execution.executors.local:make", "worker processes on this machine, one per device"
        ),
        ExecutorSpec(
            "inline",
            "segharness.execution.executors.inline:make",
            "in this process, one unit after another; for debugging",
        ),
    ]


@hookimpl
def segharness_reporters() -> Iterable[ReporterSpec]:
    return [
        ReporterSpec("csv", "segharness.report.formats.csv:render", ".csv", "comma-separated values"),
        ReporterSpec(
            "markdown", "segharness.report.formats.markdown:render", ".md", "a GitHub-flavoured Markdown table"
        ),
        ReporterSpec("svg", "segharness.report.formats.svg:render", ".svg", "a picture of the tables"),
        ReporterSpec("latex", "segharness.report.formats.latex:render", ".tex", "a LaTeX tabular with booktabs"),
    ]
