"""What an engine matched in one cell, laid out for accumulation: every detection in the order of its category's curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segharness.score.evaluations.coco_parameters import ALL_AREAS, CocoParameters
from segharness.score.evaluations.engines import Matched, matched
from segharness.score.request import GroundTruth


@dataclass(frozen=True)
class Matches:
    """The detections of a cell that count, by category, then by falling score, then by image and rank in it.

    That is the order in which pycocotools accumulates. Ground truths stand by category. Areas are not looked at.

    Attributes:
        starts: int64 (K + 1,): where each category's detections begin.
        image: int64 (N,): each detection's image, a position in the sorted image ids.
        hit: bool (T, N): matched with a ground truth that counts.
        ignored: bool (T, N): matched with a crowd.
        truth_starts, truth_image: the same of the ground truths that count.
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

    The engine is asked only about images and categories that have ground truth: elsewhere no detection matches. It is not
    asked at all where `known` is what it found in all predictions.
    """
    truth = _Truth.of(ground_truth, parameters)
    image = np.searchsorted(truth.image_ids, predictions.column("image_id").to_numpy().astype(np.int64))
    category = np.searchsorted(truth.category_ids, predictions.column("category_id").to_numpy().astype(np.int64))
    score = predictions.column("score").to_numpy().astype(np.float64)
    group = np.zeros_like(category) if parameters.class_agnostic else category
    order = np.lexsort((category, image, -score, group))  # ties keep the order of the rows
    order = order[_rank(group[order], image[order]) < parameters.max_dets[-1]]
    if known is None:
        asked = np.flatnonzero(np.isin(group * len(truth.image_ids) + image, truth.pairs))
        known = matched(ground_truth, predictions.take(pa.array(asked)), task, engine, parameters)
    else:
        asked = np.arange(len(predictions))
    hit, ignored = _flags(known, asked, len(predictions), len(parameters.iou))
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
    """What of the ground truth is the same for every cell."""

    image_ids: npt.NDArray[np.int64]
    category_ids: npt.NDArray[np.int64]
    groups: int
    pairs: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]

    @classmethod
    def of(cls, ground_truth: GroundTruth, parameters: CocoParameters) -> _Truth:
        key = ("matches", parameters.class_agnostic)
        if key not in ground_truth.prepared:
            ground_truth.prepared[key] = cls._make(ground_truth.content, parameters)
        found: _Truth = ground_truth.prepared[key]
        return found

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
    pair = np.lexsort((np.arange(len(image)), image, group))
    fresh = np.ones(len(pair), dtype=bool)
    fresh[1:] = (group[pair][1:] != group[pair][:-1]) | (image[pair][1:] != image[pair][:-1])
    first = np.maximum.accumulate(np.where(fresh, np.arange(len(pair)), 0))
    rank = np.empty(len(pair), dtype=np.int64)
    rank[pair] = np.arange(len(pair)) - first
    return rank


def _flags(
    found: Any, asked: npt.NDArray[np.int64], rows: int, thresholds: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return, for every row of the predictions and threshold, whether it was matched, and whether it is ignored."""
    hit, ignored = np.zeros((2, thresholds, rows), dtype=bool)
    pairs = [pair for pair in found if pair is not None and len(pair["dtIds"])]
    if not pairs:
        return hit, ignored
    at = asked[np.fromiter(chain.from_iterable(pair["dtIds"] for pair in pairs), dtype=np.int64) - 1]
    for row in range(thresholds):
        matches = np.fromiter(chain.from_iterable(pair["dtMatches"][row] for pair in pairs), dtype=np.int64)
        crowd = np.fromiter(chain.from_iterable(pair["dtIgnore"][row] for pair in pairs), dtype=bool)
        hit[row, at] = (matches != 0) & ~crowd
        ignored[row, at] = crowd
    return hit, ignored
