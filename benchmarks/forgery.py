"""Whether tier 3 sees a forger who gains exactly so much: predictions of the best chosen images become the ground truth.

    python benchmarks/forgery.py BUNDLE [--gain 1.0] [--draws 300] [--task segm] [--against NUMBER]

For each number that a board shows, images under conditions are replaced by their ground truth, those first that gain most
for their part in the draw, until the number has gained `--gain` points. Printed are the images that it took, the part Q of
the number that they have, the advantage a = gain / (Q (1 - AP)) that follows, and how many of `--draws` samples, each
under another secret, have more mismatches than are allowed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from hotcoco import mask as rle
from segharness import PluginHost
from segharness.protocols import AdoptedRun
from segharness.score import agreement, score_subset
from segharness.store import PREDICTIONS, table
from segharness_leaderboard.rank_weights import RankWeights
from segharness_leaderboard.reproduction.board_numbers import counts_of, numbers_of, sampling_of
from segharness_leaderboard.reproduction.comparison import LEAST_AGREEMENT
from segharness_leaderboard.reproduction.sampling import Sampling, draws_needed
from segharness_leaderboard.submit.check import check_bundle

HONEST_RATE = 1e-4
Item = tuple[str, int]
"""A condition and an image."""


@dataclass(frozen=True)
class Forgery:
    """What it took to gain, and how often it is seen."""

    number: str
    ap: float
    images: int
    part: float
    gain: float
    advantage: float
    draws: int
    allowed: int
    caught: float


class Forger:
    """Has a bundle's predictions and the ground truth of one data set.

    Args:
        run: the bundle's files under its protocol.
        host: the plugins that score.
        task: ``segm`` or ``bbox``.
    """

    def __init__(self, run: AdoptedRun, host: PluginHost, task: str) -> None:
        self._run, self._host, self._task = run, host, task
        [self.dataset] = run.sources.datasets
        self._opened = run.sources.datasets[self.dataset]
        self.ids = [sample.image_id for sample in self._opened.samples]
        self.conditions = [condition.name for condition in run.run.suite.conditions]
        self.honest = {condition: run.predictions(self.dataset, condition) for condition in self.conditions}
        self._truth = self._as_predictions()
        self._counts = counts_of(run, self.dataset)

    def _as_predictions(self) -> pa.Table:
        """Return the ground truth as the surest predictions."""
        truth = self._opened.ground_truth("instances")
        assert truth is not None
        sizes = {sample.image_id: [sample.height, sample.width] for sample in self._opened.samples}
        rows = [a for a in truth["annotations"] if not a["iscrowd"]]
        masks = []
        for annotation in rows:
            shape = annotation["segmentation"]
            if isinstance(shape, list):
                merged = rle.merge(rle.fr_py_objects(shape, *sizes[annotation["image_id"]]))
                shape = {"counts": merged["counts"]}
            counts = shape["counts"]
            masks.append(counts if isinstance(counts, bytes) else counts.encode())
        columns = {
            "image_id": [a["image_id"] for a in rows],
            "category_id": [a["category_id"] for a in rows],
            "score": [2.0] * len(rows),
            "bbox": [[float(v) for v in a["bbox"]] for a in rows],
            "mask": masks,
            "annotation_id": [None] * len(rows),
        }
        return table(PREDICTIONS, columns)

    def forged(self, condition: str, ids: Collection[int]) -> pa.Table:
        """Return the predictions under a condition with the ground truth in the place of some images'."""
        chosen = pa.array(sorted(ids), pa.int64())
        honest = self.honest[condition]
        kept = honest.filter(pc.invert(pc.is_in(honest.column("image_id"), chosen)))
        return pa.concat_tables([kept, self._truth.filter(pc.is_in(self._truth.column("image_id"), chosen))])

    def ap(self, condition: str, ids: Collection[int] = ()) -> float:
        """Return the AP under a condition with some images forged."""
        entry = self._run.run.suite.scoring.evaluations[0]
        predictions = self.forged(condition, ids) if ids else self.honest[condition]
        scores = score_subset(self._opened, self._host, entry, self._task, predictions, self.ids)
        return next(score.value or 0.0 for score in scores if score.metric == "AP")

    def agreements(self, condition: str, ids: Collection[int]) -> Mapping[int, float]:
        """Return how far forged images agree with what the model really answers."""
        forged = self.forged(condition, ids)
        weights = RankWeights(forged, self._counts)  # of the bundle, which is the forged one
        sizes = {s.image_id: (s.height, s.width) for s in self._opened.samples if s.image_id in set(ids)}
        chosen = pa.array(sorted(ids), pa.int64())
        sides = [
            weights.weighted(side.filter(pc.is_in(side.column("image_id"), chosen)))
            for side in (forged, self.honest[condition])
        ]
        return agreement(sides[0], sides[1], sizes)

    def gains(self, condition: str, group: int = 1) -> dict[int, float]:
        """Return what each image gains alone."""
        before = self.ap(condition)
        return {id: self.ap(condition, [id]) - before for id in self.ids}


def forge(
    forger: Forger, number: str, weights: Mapping[str, float], gain: float, parts: Mapping[Item, float]
) -> list[Item]:
    """Return the items to forge so that a number gains as much, those first that gain most for their part.

    Args:
        forger: of the bundle.
        number: its name.
        weights: of the conditions in it.
        gain: as a fraction.
        parts: the part of each item in the number.
    """
    found = []
    for condition, weight in weights.items():
        for image_id, gained in forger.gains(condition).items():
            part = parts[condition, image_id]
            if part and gained > 0:
                found.append((weight * gained / part, (condition, image_id)))
    order = [item for _, item in sorted(found, reverse=True)]
    before = {condition: forger.ap(condition) for condition in weights}

    def gained_by(count: int) -> float:
        chosen: dict[str, list[int]] = {}
        for condition, image_id in order[:count]:
            chosen.setdefault(condition, []).append(image_id)
        return sum(weights[c] * (forger.ap(c, ids) - before[c]) for c, ids in chosen.items())

    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if gained_by(middle) >= gain else (middle + 1, high)
    return order[:low]


def caught(sampling: Sampling, mismatches: Collection[Item], draws: int, allowed: int, times: int) -> float:
    """Return in what share of samples more draws mismatch than are allowed."""
    seen = 0
    for number in range(times):
        secret = hashlib.sha256(f"secret {number}".encode()).digest()
        drawn = sampling.draw(secret, f"root {number}", draws)
        seen += sum(draw.times for draw in drawn if (draw.condition, draw.image_id) in mismatches) > allowed
    return seen / times


def measured(
    run: AdoptedRun, host: PluginHost, task: str, gain: float, times: int, only: Sequence[str] = ()
) -> list[Forgery]:
    """Return what it takes to gain in each number, and how often that is seen."""
    forger, sampling = Forger(run, host, task), sampling_of(run)
    numbers = {name: {c: w for (_, c), w in cells.items()} for name, cells in numbers_of(run).items()}
    aps = {name: sum(w * forger.ap(c) for c, w in weights.items()) for name, weights in numbers.items()}
    draws, allowed, _ = draws_needed(sampling.share(gain, aps), 0.95, HONEST_RATE, sampling.chances)
    found = []
    for name, weights in numbers.items():
        if only and name not in only:
            continue
        parts = {
            (cell.condition, int(id)): cell.weights.get(name, 0.0) * float(part)
            for cell in sampling.cells
            for id, part in zip(cell.image_ids, cell.parts, strict=True)
        }
        items = forge(forger, name, weights, gain, parts)
        by_condition: dict[str, list[int]] = {}
        for condition, image_id in items:
            by_condition.setdefault(condition, []).append(image_id)
        agreed = {(c, id): a for c, ids in by_condition.items() for id, a in forger.agreements(c, ids).items()}
        reached = sum(weights[c] * (forger.ap(c, ids) - forger.ap(c)) for c, ids in by_condition.items())
        part = sum(parts[item] for item in items)
        mismatches = {item for item, value in agreed.items() if value < LEAST_AGREEMENT}
        share = caught(sampling, mismatches, draws, allowed, times)
        advantage = reached / (part * (1 - aps[name]))
        found.append(Forgery(name, aps[name], len(items), part, reached, advantage, draws, allowed, share))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each number."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--gain", type=float, default=1.0, help="in points")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--task", default="segm")
    parser.add_argument("--against", action="append", default=[], help="this number alone; may be repeated")
    arguments = parser.parse_args(argv)
    host = PluginHost.load()
    with tempfile.TemporaryDirectory() as scratch:
        checked = check_bundle(arguments.bundle, host, Path(scratch), scored=False)
        assert checked.run is not None and not checked.findings, checked.findings
        for f in measured(checked.run, host, arguments.task, arguments.gain / 100, arguments.draws, arguments.against):
            print(
                f"{f.number:10} AP {100 * f.ap:5.1f}  +{100 * f.gain:.2f} by {f.images:4} images, Q {100 * f.part:.2f} %, "
                f"advantage {f.advantage:.2f}; {f.draws} draws, {f.allowed} allowed: caught {100 * f.caught:.1f} %",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
