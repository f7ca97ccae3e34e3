"""Scores a part of a cell's images by one of the suite's evaluations."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from segharness.data.open_dataset import OpenDataset
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import MetricSpec
from segharness.score.bootstrap import Resamples
from segharness.score.dataset_scorer import ground_truth, restrict_to_categories
from segharness.score.request import GroundTruth, Score, ScoreRequest
from segharness.score.score_checks import checked_scores
from segharness.suite import EvaluationEntry


def score_subset(
    opened: OpenDataset,
    host: PluginHost,
    entry: EvaluationEntry,
    task: str,
    predictions: pa.Table,
    image_ids: Collection[int],
    resamples: Resamples | None = None,
) -> Sequence[Score]:
    """Return the scores of predictions on some images, over all categories.

    Args:
        opened: the data set.
        host: the plugins.
        entry: the suite's evaluation.
        task: one of the metric's, such as ``segm``.
        predictions: a table of `segharness.store.PREDICTIONS`; those of other images are left out.
        image_ids: the images.
        resamples: draws of these images; None for values alone.

    Raises:
        UsageError: the data set has no such ground truth.
        ValueError: the evaluation returns what it did not declare.
    """
    spec = host.get(entry.metric, MetricSpec)
    chosen = set(image_ids)
    truth = ground_truth(opened, spec.ground_truth, spec.also)
    parts = {
        kind: {
            **content,
            "images": [image for image in content["images"] if image["id"] in chosen],
            "annotations": [a for a in content["annotations"] if a["image_id"] in chosen],
        }
        for kind, content in {"": truth.content, **truth.also}.items()
    }
    part = GroundTruth(parts.pop(""), parts)
    kept = predictions.filter(pc.is_in(predictions.column("image_id"), pa.array(sorted(chosen), pa.int64())))
    request = ScoreRequest(
        part,
        restrict_to_categories(opened.taxonomy.apply_to_predictions(kept), part),
        task,
        engine=next(iter(spec.engines), None),
        options=copy.deepcopy(dict(entry.options)),
        resamples=resamples,
    )
    scores = checked_scores(
        list(load(spec.score)(request)),
        spec.metrics_under(entry.options),
        resamples,
        categories=[category["name"] for category in part.content["categories"]],
    )
    return [score for score in scores if score.category is None]
