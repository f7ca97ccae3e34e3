"""The evaluation ``coco``: COCO's 12 metrics, or those of other thresholds, areas and maxDets, by split and category.

The engines return precision and recall for every category. The means over categories are taken here, in pycocotools'
order of summation, so that splits and single categories come from the same arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.score.evaluations.coco_engines import Accumulated, accumulate
from segharness.score.evaluations.coco_parameters import CocoParameters, read
from segharness.score.evaluations.matches import match
from segharness.score.evaluations.resampled_ap import average_precisions, means
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.suite import OVERALL, Split

Columns = npt.NDArray[np.int64]

_PER_CATEGORY = 2
"""How many metrics every category has: AP, and AP at the first single threshold."""


def score(request: ScoreRequest) -> list[Score]:
    """Return all metrics over all categories and over every split, and AP and AP50 of every category.

    In tasks with masks the area of a detection is the area of its mask, as in result files without boxes. If the
    request has resamples, the scores of AP and of AP at single thresholds have samples.
    """
    parameters = read(request.options)
    if reason := reason_unfit(request):
        return null_scores(request, parameters.names(), reason)
    evaluated = evaluate(request, parameters)
    content = request.ground_truth.content
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    counts = instances(content, categories)
    blank = Score("", None, n_images=len(content["images"]))
    if parameters.class_agnostic:
        split_blank = replace(blank, n_instances=int(counts.sum()))
        scores = [evaluated.score(replace(split_blank, metric=metric), np.array([0])) for metric in parameters.names()]
        reason = "class-agnostic: there are no categories to split"
        return scores + [
            Score(metric, None, reason, split.name) for split in request.splits for metric in parameters.names()
        ]
    scores = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = split_columns(split, columns)
        split_blank = replace(blank, split=split.name, n_instances=int(counts[chosen].sum()))
        scores += [evaluated.score(replace(split_blank, metric=metric), chosen) for metric in parameters.names()]
    for name, column in columns.items():
        category_blank = replace(blank, category=name, n_instances=int(counts[column]))
        metrics = parameters.names()[:_PER_CATEGORY]
        scores += [evaluated.score(replace(category_blank, metric=metric), np.array([column])) for metric in metrics]
    return scores


def reason_unfit(request: ScoreRequest) -> str | None:
    """Return why the predictions cannot be scored as detections, by AP, or None if they can."""
    if (prompt_kind := prompt_kind_of(request)) is not None:
        return f"the model was given the ground truth's {prompt_kind}: see the evaluation `given-{prompt_kind}`"
    if request.task != "bbox" and request.predictions.column("mask").null_count:
        return "the model gives no masks"
    if request.task != "bbox" and not _has_masks(request.ground_truth):
        return "the data set annotates boxes, not masks"
    return None


def _has_masks(truth: GroundTruth) -> bool:
    """Return whether every annotation has a mask; the answer is kept for the next cells."""
    if "masks" not in truth.prepared:
        truth.prepared["masks"] = all(a.get("segmentation") for a in truth.content["annotations"])
    return bool(truth.prepared["masks"])


def prompt_kind_of(request: ScoreRequest) -> str | None:
    """Return which part of the ground truth the model was given: ``boxes``, ``points``, or None."""
    if request.images is None:
        return None
    prompts = request.images.column("prompt").drop_null()
    return str(prompts[0].as_py()) if len(prompts) else None


def null_scores(request: ScoreRequest, metrics: Sequence[str], reason: str) -> list[Score]:
    """Return scores without value, with the same reason, for every metric: over all categories and over every split."""
    names = (OVERALL, *(split.name for split in request.splits))
    return [Score(metric, None, reason, name) for name in names for metric in metrics]


def split_columns(split: Split, columns: Mapping[str, int]) -> Columns:
    """Return the positions of a split's categories, int64 (n,), in the order of `columns`.

    Args:
        split: the split; `columns` must have all of its categories.
        columns: the position of every category, by name.

    Example:
        >>> split_columns(Split("pets", ("cat",)), {"person": 0, "cat": 1})
        array([1])
    """
    in_split = {columns[name] for name in split.categories}
    return np.array([column for column in columns.values() if (column in in_split) != split.complement], dtype=np.int64)


@dataclass(frozen=True)
class CellEvaluation:
    """The evaluation of one cell, from which metrics over any categories can be taken.

    Attributes:
        accumulated: precision and recall.
        parameters: the parameters of the evaluation.
        samples: AP by category, threshold and resample, float64 (K, T, B); None without resamples.
    """

    accumulated: Accumulated
    parameters: CocoParameters
    samples: npt.NDArray[np.float64] | None = None

    def score(self, blank: Score, columns: Columns) -> Score:
        """Return `blank` with the value of its metric over the categories at `columns`, or with the reason for none."""
        value = mean(self.accumulated, blank.metric, columns, self.parameters)
        reason = "no ground truth" if value is None else None
        return replace(blank, value=value, reason=reason, samples=self._samples(blank.metric, columns))

    def _samples(self, metric: str, columns: Columns) -> npt.NDArray[np.float64] | None:
        single = self.parameters.single_threshold_metrics()
        if self.samples is None or (metric != "AP" and metric not in single):
            return None
        rows = slice(None) if metric == "AP" else slice(single[metric], single[metric] + 1)
        return means(self.samples[:, rows], columns)


def evaluate(request: ScoreRequest, parameters: CocoParameters) -> CellEvaluation:
    """Match and accumulate one cell, then compute AP on the resamples, if there are any."""
    engine = _engine(request)
    truth, predictions, task = request.ground_truth, request.predictions, request.task
    accumulated = accumulate(truth, predictions, task, engine, parameters)
    if request.resamples is None:
        return CellEvaluation(accumulated, parameters)
    matches = match(truth, predictions, task, engine, parameters, accumulated.matched)
    return CellEvaluation(accumulated, parameters, average_precisions(matches, request.resamples, truth.prepared))


def _engine(request: ScoreRequest) -> str:
    """Return the engine to use: pycocotools, with a note, if hotcoco is chosen but does not support the image ids."""
    if request.engine not in (None, "hotcoco"):
        return str(request.engine)
    if min((image["id"] for image in request.ground_truth.content["images"]), default=0) >= 0:
        return "hotcoco"
    request.note("image ids below 0, which hotcoco does not take: scored with pycocotools")
    return "pycocotools"


def mean(
    accumulated: Accumulated, metric: str, columns: Columns, parameters: CocoParameters | None = None
) -> float | None:
    """Return a metric over some categories.

    Args:
        accumulated: precision and recall of one cell.
        metric: one of the metrics of `parameters`, such as ``AP``, ``AP50``, ``AP_S`` or ``AR100``.
        columns: the positions of the categories.
        parameters: the parameters of the evaluation; None for COCO's own.

    Returns:
        A fraction, or None if none of the categories has ground truth.
    """
    parameters = parameters or CocoParameters()
    areas = {"": 0, **{f"_{name}": position for position, (name, _, _) in enumerate(parameters.areas, 1)}}
    if metric.startswith("AP"):
        values = accumulated.precision[:, :, columns, areas.get(metric[2:], 0), -1]
        if metric in (single := parameters.single_threshold_metrics()):
            values = values[[single[metric]]]
    else:
        limits = {f"AR{limit}": position for position, limit in enumerate(parameters.max_dets)}
        values = accumulated.recall[:, columns, areas.get(metric[2:], 0), limits.get(metric, -1)]
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else None


def instances(content: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    """Return the number of ground truths of each category without crowds, int64 (K,), in the order of `categories`."""
    position = {c["id"]: i for i, c in enumerate(categories)}
    counts = np.zeros(len(categories), dtype=np.int64)
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd") and annotation["category_id"] in position:
            counts[position[annotation["category_id"]]] += 1
    return counts
