"""Whether a bundle was copied from another: near-equal masks of many images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from segharness.protocols import AdoptedRun
from segharness.score import agreement

from segharness_leaderboard.rank_weights import RankWeights
from segharness_leaderboard.reproduction.board_numbers import counts_of
from segharness_leaderboard.submit.check import Checked

MOST_IMAGES = 4000
"""So many images are compared, over all conditions."""

COPIED_AGREEMENT = 0.9
"""Two networks that were trained apart agree by about .6 (median), the same one on another machine by over .99."""

COPIED_SHARE = 0.25
"""Two bundles in which so many images have equal predictions, to the byte, come from one model."""


@dataclass(frozen=True)
class Likeness:
    """How far the predictions of two bundles agree.

    Attributes:
        images: how many images were compared that have predictions.
        mean: their mean agreement, from 0 to 1.
        equal: the share of them whose masks and categories are the same to the byte.
        problem: why they cannot be compared; None if they can.
    """

    images: int = 0
    mean: float = 0.0
    equal: float = 0.0
    problem: str | None = None

    @property
    def is_copy(self) -> bool:
        """Whether one is too near to the other to come from another model."""
        return self.mean >= COPIED_AGREEMENT or self.equal >= COPIED_SHARE

    def text(self, name: str) -> str:
        """Return what is to be said of it, in one line."""
        return (
            f"near-equal to {name}: mean agreement {self.mean:.2f}, equal to the byte in {100 * self.equal:.0f} % of "
            f"{self.images} images"
        )


def compare_bundles(first: Checked, second: Checked) -> Likeness:
    """Return how far two checked bundles agree.

    Args:
        first, second: of one protocol; the files of both were held to the rules.
    """
    if second.findings or second.run is None:
        return Likeness(problem="breaks rules itself, and was not compared")
    if first.run is None or first.protocol != second.protocol:
        return Likeness(problem=f"is of another protocol, {second.protocol or 'which is not known here'}")
    root = first.bundle.root if first.bundle is not None else ""
    values: list[float] = []
    equal = 0
    conditions = [condition.name for condition in first.run.run.suite.conditions]
    for dataset, opened in first.run.sources.datasets.items():
        counts = counts_of(first.run, dataset)
        most = max(1, MOST_IMAGES // len(conditions) // len(first.run.sources.datasets))
        sizes = {sample.image_id: (sample.height, sample.width) for sample in opened.samples}
        for condition in conditions:
            key = f"{root} {condition}"
            chosen = dict.fromkeys(sorted(sizes, key=lambda id, key=key: _key(key, id))[:most])  # type: ignore[misc]
            try:
                sides = [_cell(run, dataset, condition, counts, chosen) for run in (first.run, second.run)]
                agreed = agreement(sides[0], sides[1], {id: sizes[id] for id in chosen})
            except ValueError as error:
                return Likeness(problem=f"cannot be compared: {error}")
            shown = {id for side in sides for id in side.column("image_id").to_pylist()}
            values += [agreed[id] for id in shown]
            contents = [_contents(side) for side in sides]
            equal += sum(contents[0].get(id) == contents[1].get(id) for id in shown)
    if not values:
        return Likeness(problem="neither has predictions")
    return Likeness(len(values), float(np.mean(values)), equal / len(values))


def _key(text: str, image_id: int) -> bytes:
    return hashlib.sha256(f"{text} {image_id}".encode()).digest()


def _cell(
    run: AdoptedRun, dataset: str, condition: str, counts: Mapping[int, int], chosen: Mapping[int, None]
) -> pa.Table:
    """Return the predictions of some images of a cell, weighted by their ranks."""
    stored = run.predictions(dataset, condition)
    kept = stored.filter(pc.is_in(stored.column("image_id"), pa.array(chosen, pa.int64())))
    return RankWeights(stored, counts).weighted(kept)


def _contents(predictions: pa.Table) -> dict[int, list[tuple[int, bytes]]]:
    """Return the categories and masks of each image (the boxes of detectors), sorted."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    columns = [predictions.column(name).to_pylist() for name in ("image_id", "category_id", "mask", "bbox")]
    for image_id, category, mask, box in zip(*columns, strict=True):
        found.setdefault(image_id, []).append((category, mask if mask is not None else repr(box).encode()))
    return {image_id: sorted(members) for image_id, members in found.items()}
