"""The evaluation ``coco``: COCO's 12 numbers, or those of other thresholds, areas and maxDets, with splits and categories.

The engines return precision and recall for every category; the means over them are taken here, in pycocotools' order of
summation, so that splits and single categories come from the same arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segharness.score.evaluations.bootstrap import average_precisions, means
from segharness.score.evaluations.coco_parameters import CocoParameters, read
from segharness.score.evaluations.engines import Accumulated, accumulate
from segharness.score.evaluations.matches import match
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.suite import OVERALL, Split

Columns = npt.NDArray[np.int64]

_PER_CATEGORY = 2
"""AP and the first of the single thresholds stand for every category."""


def score(request: ScoreRequest) -> list[Score]:
    """Return all numbers overall and for every split, and AP and AP50 of every category.

    For masks the area of a detection is its mask's, as in result files without boxes. AP and AP at single thresholds carry
    their values on the resamples, where there are some.
    """
    parameters = read(request.options)
    if reason := unfit(request):
        return nothing(request, parameters.metrics(), reason)
    evaluated = evaluate(request, parameters)
    content = request.ground_truth.content
    categories = sorted(content["categories"], key=lambda c: c["id"])
    columns = {c["name"]: position for position, c in enumerate(categories)}
    counts = instances(content, categories)
    blank = Score("", None, n_images=len(content["images"]))
    if parameters.class_agnostic:
        whole = replace(blank, n_instances=int(counts.sum()))
        found = [evaluated.score(replace(whole, metric=m), np.array([0])) for m in parameters.metrics()]
        reason = "class-agnostic: there are no categories to split"
        return found + [Score(m, None, reason, split.name) for split in request.splits for m in parameters.metrics()]
    found = []
    for split in (Split(OVERALL, (), complement=True), *request.splits):
        chosen = split_columns(split, columns)
        whole = replace(blank, split=split.name, n_instances=int(counts[chosen].sum()))
        found += [evaluated.score(replace(whole, metric=m), chosen) for m in parameters.metrics()]
    for name, column in columns.items():
        one = replace(blank, category=name, n_instances=int(counts[column]))
        metrics = parameters.metrics()[:_PER_CATEGORY]
        found += [evaluated.score(replace(one, metric=m), np.array([column])) for m in metrics]
    return found


def unfit(request: ScoreRequest) -> str | None:
    """Return why predictions cannot be scored by AP as a detector's, or None."""
    if (given := prompt(request)) is not None:
        return f"the model was given the ground truth's {given}: see the evaluation `given-{given}`"
    if request.task != "bbox" and request.predictions.column("mask").null_count:
        return "the model gives no masks"
    if request.task != "bbox" and not _has_masks(request.ground_truth):
        return "the data set annotates boxes, not masks"
    return None


def _has_masks(truth: GroundTruth) -> bool:
    """Return whether every annotation has a mask; looked at once."""
    if "masks" not in truth.prepared:
        truth.prepared["masks"] = all(a.get("segmentation") for a in truth.content["annotations"])
    return bool(truth.prepared["masks"])


def prompt(request: ScoreRequest) -> str | None:
    """Return what the model was given of the ground truth: ``boxes``, ``points`` or nothing."""
    if request.images is None:
        return None
    given = request.images.column("prompt").drop_null()
    return str(given[0].as_py()) if len(given) else None


def nothing(request: ScoreRequest, metrics: Sequence[str], reason: str) -> list[Score]:
    """Return null for every metric, overall and for every split."""
    names = (OVERALL, *(split.name for split in request.splits))
    return [Score(metric, None, reason, name) for name in names for metric in metrics]


def split_columns(split: Split, columns: Mapping[str, int]) -> Columns:
    """Return the positions of a split's categories, all of which are there."""
    named = {columns[name] for name in split.categories}
    return np.array([c for c in columns.values() if (c in named) != split.complement], dtype=np.int64)


@dataclass(frozen=True)
class Evaluated:
    """One cell evaluated: numbers over any categories, and AP on the resamples, (K, T, B), where there are some."""

    accumulated: Accumulated
    parameters: CocoParameters
    samples: npt.NDArray[np.float64] | None = None

    def score(self, blank: Score, columns: Columns) -> Score:
        """Return the number that `blank` names, over some categories."""
        value = mean(self.accumulated, blank.metric, columns, self.parameters)
        reason = "no ground truth" if value is None else None
        return replace(blank, value=value, reason=reason, samples=self._samples(blank.metric, columns))

    def _samples(self, metric: str, columns: Columns) -> npt.NDArray[np.float64] | None:
        single = self.parameters.single()
        if self.samples is None or (metric != "AP" and metric not in single):
            return None
        rows = slice(None) if metric == "AP" else slice(single[metric], single[metric] + 1)
        return means(self.samples[:, rows], columns)


def evaluate(request: ScoreRequest, parameters: CocoParameters) -> Evaluated:
    """Match and accumulate one cell, and once more on every resample."""
    engine = _engine(request)
    truth, predictions, task = request.ground_truth, request.predictions, request.task
    accumulated = accumulate(truth, predictions, task, engine, parameters)
    if request.resamples is None:
        return Evaluated(accumulated, parameters)
    matches = match(truth, predictions, task, engine, parameters, accumulated.matched)
    return Evaluated(accumulated, parameters, average_precisions(matches, request.resamples, truth.prepared))


def _engine(request: ScoreRequest) -> str:
    """Return the engine to use: hotcoco does not take every input, and the definition then takes its place, with a note."""
    if request.engine not in (None, "hotcoco"):
        return str(request.engine)
    if min((image["id"] for image in request.ground_truth.content["images"]), default=0) >= 0:
        return "hotcoco"
    request.note("image ids below 0, which hotcoco does not take: scored with pycocotools")
    return "pycocotools"


def mean(
    accumulated: Accumulated, metric: str, columns: Columns, parameters: CocoParameters | None = None
) -> float | None:
    """Return a number over some categories, or None where none of them has ground truth."""
    parameters = parameters or CocoParameters()
    areas = {"": 0, **{f"_{name}": position for position, (name, _, _) in enumerate(parameters.areas, 1)}}
    if metric.startswith("AP"):
        values = accumulated.precision[:, :, columns, areas.get(metric[2:], 0), -1]
        if metric in (single := parameters.single()):
            values = values[[single[metric]]]
    else:
        limits = {f"AR{limit}": position for position, limit in enumerate(parameters.max_dets)}
        values = accumulated.recall[:, columns, areas.get(metric[2:], 0), limits.get(metric, -1)]
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else None


def instances(content: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    """Return the number of ground truths of each category, crowds apart."""
    position = {c["id"]: i for i, c in enumerate(categories)}
    counts = np.zeros(len(categories), dtype=np.int64)
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd") and annotation["category_id"] in position:
            counts[position[annotation["category_id"]]] += 1
    return counts
