"""What segharness itself offers, through the same hooks as every plugin."""

from __future__ import annotations

from collections.abc import Iterable

from segharness.plugin.hookspecs import hookimpl
from segharness.plugin.metric_specs import COUNT, PER_SECOND, Metric, MetricSpec
from segharness.plugin.shipped_suites import shipped_suites
from segharness.plugin.specs import CommandSpec, ExecutorSpec, ReporterSpec, SuiteSpec


def _command(name: str, summary: str, module: str = "", execute: str = "execute") -> CommandSpec:
    """Return the command in a module of `segharness.cli.commands`; the module is called like the command by default."""
    path = f"segharness.cli.commands.{module or name}"
    return CommandSpec(name, help=summary, configure=f"{path}:configure", execute=f"{path}:{execute}")


@hookimpl
def segharness_commands() -> Iterable[CommandSpec]:
    return [
        _command("run", "run suites: predictions, results, table"),
        _command("collect", "show the cells that a run would have, and the resolved suite"),
        _command("published", "list printed results, and compute their CD and rCD"),
        _command("explain", "say what a message means and what to do, by the code at its end"),
        _command("status", "show the progress of a run, also of one on another machine"),
        _command("score", "compute a run's results again from its stored predictions"),
        _command("verify", "derive a run's numbers again from its predictions, and name what differs"),
        _command("report", "print or write the tables of a run"),
        _command("compare", "show the differences between two models' results, with intervals"),
        _command("degradation", "compute CD and rCD of a table of APs"),
        _command("export-results", "write a run's predictions as COCO result files", "export_results"),
        _command("schema", "print the schemas of suite files and of the files of a run, for machines"),
        _command("models", "list the models that plugins offer", "list_specs", "models"),
        _command("datasets", "list the data sets that plugins offer; check the files of one"),
        _command(
            "corruptions", "list the corruptions and condition sets that plugins offer", "list_specs", "corruptions"
        ),
        _command("suites", "list the suites that plugins offer; print one"),
        _command("protocols", "list named protocols, show one, compare two, seal one"),
        _command("init", "write a commented suite of one's own"),
        _command("new", "write a new plugin: a distribution that builds, is found and passes its tests"),
        _command("metrics", "list the evaluations and their metrics, with unit, direction and formula"),
        _command("corrupt", "corrupt image files"),
        _command("config", "save where data sets and frameworks are on this machine"),
        _command("preview", "draw one image under many corruptions, on one sheet"),
        _command("sheet", "draw images of a data set with and without their ground truth, on one sheet"),
        _command("export", "write a corrupted copy of a data set"),
        _command("plugins", "list the installed plugins, what they offer, and which were left out"),
    ]


_AP = "mean over IoU .5:.05:.95 and categories of the area under precision over recall at 101 points"
_AREAS = (("S", "up to 32^2"), ("M", "32^2 to 96^2"), ("L", "at least 96^2"))


def _coco_metrics(*recalls: Metric) -> tuple[Metric, ...]:
    """Return AP, AP50, AP75 and AP by area, some metrics of recall, and AR by area."""
    return (
        Metric("AP", degradation=True, formula=_AP),
        Metric("AP50", formula="AP at IoU .5"),
        Metric("AP75", formula="AP at IoU .75"),
        *(Metric(f"AP_{area}", formula=f"AP of objects of {size} pixels") for area, size in _AREAS),
        *recalls,
        *(Metric(f"AR_{area}", formula=f"recall of objects of {size} pixels") for area, size in _AREAS),
    )


COCO_METRICS = _coco_metrics(
    *(Metric(f"AR{count}", formula=f"mean recall, at most {count} detections an image") for count in (1, 10, 100))
)
"""COCO's 12 metrics, in pycocotools' order."""

LVIS_METRICS = _coco_metrics(
    *(Metric(f"AP{group[0]}", formula=f"AP over {group} categories") for group in ("rare", "common", "frequent")),
    Metric("AR300", formula="mean recall, at most 300 detections an image"),
)

PROMPTED_METRICS = (
    Metric("mask_mIoU", degradation=True, formula="mean over categories of the mean IoU of their instances"),
    Metric("mask_IoU", formula="mean IoU of instances"),
    *COCO_METRICS,
)


BOX_EDGES = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The lower ends of the steps of IoU in the histogram of ``box-quality``; the last step ends at 1."""

BOX_QUALITY = (
    Metric("below_75", better="smaller", formula="share of the samples with an IoU under .75"),
    Metric("mean_IoU", formula="mean IoU of the samples"),
    Metric(
        "samples", unit=COUNT, better="neither", formula="boxes whose best IoU with their category is `minimum` or more"
    ),
    *(
        Metric(
            f"IoU_{round(100 * edge)}",
            better="neither",
            formula=f"share of the samples from {edge:.2f} to {edge + 0.05:.2f}",
        )
        for edge in BOX_EDGES
    ),
)


def _panoptic_metrics() -> Iterable[Metric]:
    formulas = (
        ("PQ", "sum of IoU / (TP + FP/2 + FN/2), mean over categories"),
        ("SQ", "sum of IoU / TP, mean over categories"),
        ("RQ", "TP / (TP + FP/2 + FN/2), mean over categories"),
    )
    for suffix, subset in (("", ""), ("_th", " of things"), ("_st", " of stuff")):
        for name, formula in formulas:
            yield Metric(name + suffix, degradation=name + suffix == "PQ", formula=formula + subset)


@hookimpl
def segharness_metrics() -> Iterable[MetricSpec]:
    return [
        MetricSpec(
            "coco",
            score="segharness.score.evaluations.coco:score",
            tasks=("segm", "bbox", "boundary"),
            metrics=COCO_METRICS,
            engines=("hotcoco", "pycocotools"),
            description="COCO's 12 numbers from the IoU of masks, boxes or boundaries, as pycocotools defines them",
            configure="segharness.score.evaluations.coco_parameters:configure",
        ),
        MetricSpec(
            "cityscapes",
            score="segharness.score.evaluations.cityscapes:score",
            tasks=("segm",),
            metrics=(
                Metric(
                    "AP",
                    degradation=True,
                    formula="mean over IoU > .5:.05:.95 and classes of the area under precision over recall",
                ),
                Metric("AP50", formula="AP at IoU > .5"),
            ),
            also=("void",),
            description="Cityscapes' own instance-level AP, as its evaluation scripts define it",
        ),
        MetricSpec(
            "lvis",
            score="segharness.score.evaluations.lvis:score",
            tasks=("segm", "bbox"),
            metrics=LVIS_METRICS,
            description="LVIS's AP of federated annotations, over rare, common and frequent categories too, by hotcoco",
        ),
        MetricSpec(
            "given-boxes",
            score="segharness.score.evaluations.prompted:boxes",
            tasks=("segm",),
            metrics=PROMPTED_METRICS,
            description="masks in the ground truth's boxes: mean IoU over categories and over instances, and AP",
        ),
        MetricSpec(
            "given-points",
            score="segharness.score.evaluations.prompted:points",
            tasks=("segm",),
            metrics=PROMPTED_METRICS,
            description="masks from a point in each ground truth: mean IoU over categories and over instances, and AP",
        ),
        MetricSpec(
            "panoptic",
            score="segharness.score.evaluations.panoptic:score",
            tasks=("panoptic",),
            metrics=tuple(_panoptic_metrics()),
            ground_truth="panoptic",
            description="PQ, SQ and RQ, overall and for things and stuff, by hotcoco's panoptic engine",
        ),
        MetricSpec(
            "semantic",
            score="segharness.score.evaluations.semantic:score",
            tasks=("semantic",),
            metrics=(
                Metric("mIoU", degradation=True, formula="TP / (TP + FP + FN) in pixels, mean over categories"),
                Metric("iIoU", formula="the same with each instance weighted by average area / its area"),
            ),
            ground_truth="panoptic",
            description="IoU of classes in pixels, and Cityscapes' instance-level iIoU where average areas are known",
        ),
        MetricSpec(
            "box-quality",
            score="segharness.score.evaluations.box_quality:score",
            tasks=("box-quality",),
            metrics=BOX_QUALITY,
            description="IoU of the boxes that masks are cut from with the objects: histogram, share under .75",
            configure="segharness.score.evaluations.box_quality:configure",
        ),
        MetricSpec(
            "speed",
            score="segharness.score.evaluations.speed:score",
            tasks=("speed",),
            metrics=(
                Metric("fps", unit=PER_SECOND, column="fps", formula="1 / median seconds of predict for one image"),
                Metric("ms_median", unit="ms", better="smaller", formula="median time of predict for one image"),
                Metric("ms_p95", unit="ms", better="smaller", formula="95th percentile of that time"),
            ),
            description="frames per second and milliseconds per image of predict alone, at batch 1, after warm-up",
            table=False,
        ),
    ]


@hookimpl
def segharness_suites() -> Iterable[SuiteSpec]:
    return shipped_suites()


@hookimpl
def segharness_executors() -> Iterable[ExecutorSpec]:
    return [
        ExecutorSpec(
            "local",
            factory="segharness.execution.executors.local:make",
            description="worker processes on this machine, one per device",
        ),
        ExecutorSpec(
            "inline",
            factory="segharness.execution.executors.inline:make",
            description="in this process, one unit after another; for debugging",
        ),
    ]


@hookimpl
def segharness_reporters() -> Iterable[ReporterSpec]:
    return [
        ReporterSpec(
            "csv", write="segharness.report.formats.csv:write", suffix=".csv", description="comma-separated values"
        ),
        ReporterSpec(
            "markdown",
            write="segharness.report.formats.markdown:write",
            suffix=".md",
            description="a GitHub-flavoured Markdown table",
        ),
        ReporterSpec(
            "svg", write="segharness.report.formats.svg:write", suffix=".svg", description="a picture of the tables"
        ),
        ReporterSpec(
            "latex",
            write="segharness.report.formats.latex:write",
            suffix=".tex",
            description="a LaTeX tabular with booktabs",
        ),
    ]
