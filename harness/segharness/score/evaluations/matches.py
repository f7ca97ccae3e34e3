"""The matches of one cell as arrays, with detections in the order of their category's precision-recall curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segharness.score.evaluations.coco_engines import Matched, matched
from segharness.score.evaluations.coco_parameters import ALL_AREAS, CocoParameters
from segharness.score.request import GroundTruth


@dataclass(frozen=True)
class Matches:
    """The detections and ground truths of a cell that count, over all areas.

    Detections are sorted by category, then by falling score, then by image and rank in the image. That is the order in
    which pycocotools accumulates. Ground truths are sorted by category.

    Attributes:
        starts: int64 (K + 1,), where the detections of each category begin; the last one is N.
        image: int64 (N,), the image of each detection, as a position in the sorted image ids.
        hit: bool (T, N), whether the detection matches a ground truth that counts, at each IoU threshold.
        ignored: bool (T, N), whether the detection matches a crowd, at each IoU threshold.
        truth_starts: int64 (K + 1,), where the ground truths of each category begin.
        truth_image: int64 (G,), the image of each ground truth.
    """

    starts: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]
    hit: npt.NDArray[np.bool_]
    ignored: npt.NDArray[np.bool_]
    truth_starts: npt.NDArray[np.int64]
    truth_image: npt.NDArray[np.int64]


def match(
    ground_truth: GroundTruth,
    predictions: pa.Table,
    task: str,
    engine: str,
    parameters: CocoParameters,
    known: Sequence[Matched | None] | None = None,
) -> Matches:
    """Return the matches of a cell, over all areas and at the largest of maxDets.

    The engine matches only the predictions of images and categories that have ground truth; no other can match.

    Args:
        ground_truth: the ground truth of the cell.
        predictions: the predictions of the cell.
        task: ``segm``, ``bbox`` or ``boundary``.
        engine: the engine's name, a key of `segharness.score.evaluations.coco_engines.ENGINES`.
        parameters: the parameters of the evaluation.
        known: the engine's matches of all predictions, if they exist already; the engine is then not run.
    """
    truth = _Truth.of(ground_truth, parameters)
    image = np.searchsorted(truth.image_ids, predictions.column("image_id").to_numpy().astype(np.int64))
    category = np.searchsorted(truth.category_ids, predictions.column("category_id").to_numpy().astype(np.int64))
    score = predictions.column("score").to_numpy().astype(np.float64)
    group = np.zeros_like(category) if parameters.class_agnostic else category
    order = np.lexsort((category, image, -score, group))  # ties keep the order of the rows
    order = order[_rank(group[order], image[order]) < parameters.max_dets[-1]]
    if known is None:
        engine_rows = np.flatnonzero(np.isin(group * len(truth.image_ids) + image, truth.pairs))
        known = matched(ground_truth, predictions.take(pa.array(engine_rows)), task, engine, parameters)
    else:
        engine_rows = np.arange(len(predictions))
    hit, ignored = _flags(known, engine_rows, len(predictions), len(parameters.iou))
    counts = np.bincount(group[order], minlength=truth.groups)
    return Matches(
        np.concatenate([[0], np.cumsum(counts)]),
        image[order],
        hit[:, order],
        ignored[:, order],
        truth.starts,
        truth.image,
    )


@dataclass(frozen=True)
class _Truth:
    """The arrays of a ground truth, the same for every cell; `pairs` encode group and image of the annotations."""

    image_ids: npt.NDArray[np.int64]
    category_ids: npt.NDArray[np.int64]
    groups: int
    pairs: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]

    @classmethod
    def of(cls, ground_truth: GroundTruth, parameters: CocoParameters) -> _Truth:
        """Return the arrays of a ground truth; they are made once and kept in `prepared`."""
        key = ("matches", parameters.class_agnostic)
        if key not in ground_truth.prepared:
            ground_truth.prepared[key] = cls._make(ground_truth.content, parameters)
        truth: _Truth = ground_truth.prepared[key]
        return truth

    @classmethod
    def _make(cls, content: Any, parameters: CocoParameters) -> _Truth:
        images = np.array(sorted(image["id"] for image in content["images"]), dtype=np.int64)
        categories = np.array(sorted(c["id"] for c in content["categories"]), dtype=np.int64)
        annotations = content["annotations"]
        image = np.searchsorted(images, np.array([a["image_id"] for a in annotations], dtype=np.int64))
        category = np.searchsorted(categories, np.array([a["category_id"] for a in annotations], dtype=np.int64))
        group = np.zeros_like(category) if parameters.class_agnostic else category
        low, high = ALL_AREAS
        counts = np.array([not a.get("iscrowd") and low <= a["area"] <= high for a in annotations], dtype=bool)
        order = np.argsort(group[counts], kind="stable")
        groups = 1 if parameters.class_agnostic else len(categories)
        sizes = np.bincount(group[counts], minlength=groups)
        return cls(
            images,
            categories,
            groups,
            np.unique(group * len(images) + image),
            np.concatenate([[0], np.cumsum(sizes)]),
            image[counts][order],
        )


def _rank(group: npt.NDArray[np.int64], image: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many rows of the same group and image come before each row."""
    order = np.lexsort((np.arange(len(image)), image, group))
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (group[order][1:] != group[order][:-1]) | (image[order][1:] != image[order][:-1])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - first
    return rank


def _flags(
    engine_matches: Any, engine_rows: npt.NDArray[np.int64], row_count: int, thresholds: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return whether each row of the predictions is a hit, and whether it is ignored, each bool (T, rows)."""
    hit, ignored = np.zeros((2, thresholds, row_count), dtype=bool)
    pairs = [pair for pair in engine_matches if pair is not None and len(pair["dtIds"])]
    if not pairs:
        return hit, ignored
    pair_rows = engine_rows[np.fromiter(chain.from_iterable(pair["dtIds"] for pair in pairs), dtype=np.int64) - 1]
    for row in range(thresholds):
        matches = np.fromiter(chain.from_iterable(pair["dtMatches"][row] for pair in pairs), dtype=np.int64)
        crowd = np.fromiter(chain.from_iterable(pair["dtIgnore"][row] for pair in pairs), dtype=bool)
        hit[row, pair_rows] = (matches != 0) & ~crowd
        ignored[row, pair_rows] = crowd
    return hit, ignored
