"""Compares predictions made again with those of a bundle: image by image, and in the numbers of the images drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from segharness import PluginHost, Resamples
from segharness.protocols import AdoptedRun
from segharness.score import agreement, score_subset

from segharness_leaderboard.rank_weights import RankWeights
from segharness_leaderboard.reproduction.board_numbers import counts_of, numbers_of
from segharness_leaderboard.reproduction.sampling import Draw
from segharness_leaderboard.tables import with_column

LEAST_AGREEMENT = 0.7
"""An image that agrees by less is a mismatch."""

LEAST_MEAN = 0.99
"""The images of a number agree by at least so much on average, or the bundle is refused."""

RESAMPLES = 400
"""The resamples of the drawn images that a difference of APs has its interval from."""

_SURE = 3.29
"""The half width of an interval of 99.9 %, in standard deviations."""


@dataclass(frozen=True)
class Again:
    """An image under a condition, predicted again.

    Attributes:
        draw: which, and how often it was drawn.
        agreement: from 0 to 1.
    """

    draw: Draw
    agreement: float


@dataclass(frozen=True)
class Difference:
    """The AP of the drawn images in one number, in the bundle and made again, as fractions.

    Attributes:
        number: its name.
        task: ``segm`` or ``bbox``.
        images: how many images under conditions it is over.
        stored: of the bundle's predictions.
        again: of those made again.
        low, high: the 99.9 % interval of `stored` - `again`, paired over images.
    """

    number: str
    task: str
    images: int
    stored: float
    again: float
    low: float
    high: float


def agreements(
    run: AdoptedRun, again: Mapping[str, pa.Table], drawn: Mapping[str, Sequence[Draw]], tasks: Sequence[str]
) -> list[Again]:
    """Return how far every drawn image agrees: in masks, in boxes or, if both are scored, in what agrees less.

    Args:
        run: the bundle's files under the protocol.
        again: the predictions made again by data set; ``image_id`` is the number of the draw, from 1.
        drawn: the draws of each data set, in that order.
        tasks: those that are scored.

    Raises:
        ValueError: one side has masks and the other one has none, or predictions have no scores.
    """
    found = []
    for dataset, draws in drawn.items():
        counts = counts_of(run, dataset)
        sizes = {s.image_id: (s.height, s.width) for s in run.sources.datasets[dataset].samples}
        for condition, members in _by_condition(draws).items():
            stored = run.predictions(dataset, condition)
            weights = RankWeights(stored, counts)
            ids = [draw.image_id for _, draw in members]
            sides = [weights.weighted(side) for side in (_of_images(stored, ids), _renumbered(again[dataset], members))]
            of_ids = {id: sizes[id] for id in ids}
            by_task = []
            for task in tasks:
                first, second = (
                    side if task == "segm" else with_column(side, "mask", [None] * len(side)) for side in sides
                )
                by_task.append(agreement(first, second, of_ids))
            found += [Again(draw, min(agreed[draw.image_id] for agreed in by_task)) for _, draw in members]
    return found


def _by_condition(draws: Sequence[Draw]) -> dict[str, list[tuple[int, Draw]]]:
    """Return the draws of each condition, with their numbers from 1."""
    found: dict[str, list[tuple[int, Draw]]] = {}
    for number, draw in enumerate(draws, 1):
        found.setdefault(draw.condition, []).append((number, draw))
    return found


def _of_images(predictions: pa.Table, ids: Sequence[int]) -> pa.Table:
    return predictions.filter(pc.is_in(predictions.column("image_id"), pa.array(sorted(ids), pa.int64())))


def _renumbered(again: pa.Table, members: Sequence[tuple[int, Draw]]) -> pa.Table:
    """Return the predictions of some draws under the ids of their images."""
    chosen = _of_images(again, [number for number, _ in members])
    ids = {number: draw.image_id for number, draw in members}
    return with_column(chosen, "image_id", [ids[number] for number in chosen.column("image_id").to_pylist()])


def mean_agreements(run: AdoptedRun, found: Sequence[Again]) -> dict[str, float]:
    """Return the mean agreement of each number's drawn images, over draws, without the mismatches, which are counted."""
    means = {}
    for number, cells in numbers_of(run).items():
        members = [
            again
            for again in found
            if (again.draw.dataset, again.draw.condition) in cells and again.agreement >= LEAST_AGREEMENT
        ]
        if members:
            times = np.array([again.draw.times for again in members])
            means[number] = float(np.average([again.agreement for again in members], weights=times))
    return means


def differences(
    run: AdoptedRun, host: PluginHost, again: Mapping[str, pa.Table], drawn: Mapping[str, Sequence[Draw]], task: str
) -> list[Difference]:
    """Return the APs of the drawn images, number by number.

    Args:
        run: the bundle's files under the protocol.
        host: the plugins that score.
        again: the predictions made again, as for `agreements`.
        drawn: the draws of each data set, in order.
        task: ``segm`` or ``bbox``.
    """
    cells: dict[tuple[str, str], tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]]] = {}
    for dataset, draws in drawn.items():
        for condition, members in _by_condition(draws).items():
            ids = sorted(draw.image_id for _, draw in members)
            resamples = _resamples(ids, f"{dataset} {condition}")
            sides = (run.predictions(dataset, condition), _renumbered(again[dataset], members))
            values = [_ap(run, host, dataset, task, side, ids, resamples) for side in sides]
            if all(value is not None for value in values):
                cells[dataset, condition] = (len(ids), *values)  # type: ignore[assignment]
    found = []
    for number, weights in numbers_of(run).items():
        members_of = {key: cells[key] for key in weights if key in cells}
        if not members_of:
            continue
        total = sum(weights[key] for key in members_of)
        stored, made = np.zeros(1 + RESAMPLES), np.zeros(1 + RESAMPLES)
        for key, (_, of_stored, of_made) in members_of.items():
            stored += weights[key] / total * of_stored
            made += weights[key] / total * of_made
        change = stored - made
        reach = _SURE * float(np.nanstd(change[1:]))
        count = sum(value[0] for value in members_of.values())
        bounds = (float(change[0]) - reach, float(change[0]) + reach)
        found.append(Difference(number, task, count, float(stored[0]), float(made[0]), *bounds))
    return found


def _resamples(ids: Sequence[int], key: str) -> Resamples:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "little")
    rng = np.random.Generator(np.random.Philox(key=seed))
    counts = rng.multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=RESAMPLES).T
    return Resamples(np.array(ids, dtype=np.int64), np.ascontiguousarray(counts, dtype=np.int16))


def _ap(
    run: AdoptedRun,
    host: PluginHost,
    dataset: str,
    task: str,
    predictions: pa.Table,
    ids: Sequence[int],
    resamples: Resamples,
) -> npt.NDArray[np.float64] | None:
    """Return the AP of some images, then its value on each resample; None if it is undefined."""
    entry = run.run.suite.scoring.evaluations[0]
    scores = score_subset(run.sources.datasets[dataset], host, entry, task, predictions, ids, resamples)
    found = next((score for score in scores if score.metric in ("AP", "PQ")), None)
    if found is None or found.value is None or found.samples is None or np.isnan(found.samples).mean() > 0.1:
        return None
    return np.concatenate([[found.value], found.samples])
