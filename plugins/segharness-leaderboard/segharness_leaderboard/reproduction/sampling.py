"""Which images of a bundle are made again, and how many: enough to see a forged gain of a given size.

AP averages categories, so a few images with rare categories carry much of it, and a uniform sample would miss them. Half
of the draws are uniform; half fall on an image under a condition in proportion to the part that its objects have in the
numbers that a board shows:

    q(i, c) = mean over numbers of  v_c sum_k n_ik / (C n_k)

with n_ik objects of category k in image i, n_k in the data set, C categories, v_c the weight of condition c in the
number. Whoever gains g in a number must touch images whose q in that number adds up to Q >= g / (a (1 - AP)), a being how
much more than average the best chosen images gain; each draw then meets one with at least Q / 2, shared among the numbers.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from segharness import UsageError

ADVANTAGE = 2.5
"""How much more than an average image's part the best chosen images gain, for whoever replaces them by ground truth.

`benchmarks/forgery.py` measures it; the contract's 1.6 was simulated on 80 categories."""

FALSE_ALARM = 1e-3
"""An honest bundle is refused for its mismatches with at most this probability, where that can be."""

_MOST_ALLOWED = 60
"""No more mismatches are accepted."""


@dataclass(frozen=True)
class Draw:
    """An image under a condition that was drawn.

    Attributes:
        dataset: the id of the data set.
        image_id: of the image.
        condition: the name of the condition.
        times: how often it was drawn.
    """

    dataset: str
    image_id: int
    condition: str
    times: int = 1


@dataclass(frozen=True)
class Cell:
    """The images of one data set under one condition, and their parts in the numbers.

    Attributes:
        dataset: the id of the data set.
        condition: the name of the condition.
        image_ids: int64 (N,).
        parts: float64 (N,), the part of each image in the AP of this cell; they add up to 1.
        weights: the weight of the cell in each number, by the number's name; of a number they add up to 1.
    """

    dataset: str
    condition: str
    image_ids: npt.NDArray[np.int64]
    parts: npt.NDArray[np.float64]
    weights: Mapping[str, float]


def parts_of_images(image_ids: Sequence[int], objects: Mapping[int, Mapping[int, int]]) -> npt.NDArray[np.float64]:
    """Return sum_k n_ik / (C n_k) of each image, float64 (N,).

    Args:
        image_ids: of the images.
        objects: how many objects of each category each image has, by image and category.

    Example:
        >>> parts_of_images([1, 2], {1: {7: 3}, 2: {7: 1, 8: 1}}).tolist()
        [0.375, 0.625]
    """
    totals: dict[int, int] = {}
    for image_id in image_ids:
        for category, count in objects.get(image_id, {}).items():
            totals[category] = totals.get(category, 0) + count
    parts = [sum(n / totals[k] for k, n in objects.get(id, {}).items()) / max(1, len(totals)) for id in image_ids]
    return np.array(parts, dtype=np.float64)


def share_needed(gain: float, ap: float, advantage: float = ADVANTAGE) -> float:
    """Return the part Q of a number that a forger must touch to gain, both as fractions.

    Example:
        >>> round(share_needed(0.02, 0.35, advantage=1.6), 4)
        0.0192
    """
    return min(1.0, gain / (advantage * max(1 - ap, 1e-6)))


class Needed(NamedTuple):
    """How often is drawn, and what is accepted.

    Attributes:
        draws: n.
        allowed: k, how many draws may mismatch.
        false_alarm: the probability with which an honest bundle has more.
    """

    draws: int
    allowed: int
    false_alarm: float


def draws_needed(
    share: float, confidence: float, honest_rate: float = 0.0, chances: npt.NDArray[np.float64] | None = None
) -> Needed:
    """Return n and k: so many draws, of which at most k mismatches are accepted.

    A bundle whose forged images have `share` of a draw's probability is refused with at least `confidence`. An honest one,
    whose images mismatch with `honest_rate`, is refused with at most `FALSE_ALARM`; where an image is drawn so often that no
    k does that, with the least probability that there is.

    Args:
        share: of a draw.
        confidence: such as .95.
        honest_rate: the share of images that do not agree though nothing was forged.
        chances: the probability of each item in one draw; an item that mismatches does so as often as it is drawn. None if
            no item is drawn twice.

    Raises:
        UsageError: the honest rate is too near to the share.

    Example:
        >>> draws_needed(share_needed(0.02, 0.35, advantage=1.6) / 2, 0.95)[:2]
        (311, 0)
    """
    if honest_rate == 0:
        return Needed(math.ceil(math.log(1 - confidence) / math.log1p(-share)), 0, 0.0)
    if share < 1.5 * honest_rate:
        raise UsageError(
            f"--honest-rate {honest_rate:g} is too near to the share of forged draws, {share:.2g}: see --power"
        )
    found: list[Needed] = []
    for allowed in range(_MOST_ALLOWED + 1):
        count = _draws_with(allowed, share + honest_rate * (1 - share), 1 - confidence)
        alarm = (
            1 - _at_most(allowed, count, honest_rate)
            if chances is None
            else _more_than(allowed, count * chances, honest_rate)
        )
        found.append(Needed(count, allowed, alarm))
        if alarm <= FALSE_ALARM:
            return found[-1]
    return min(found, key=lambda needed: needed.false_alarm)


def _more_than(allowed: int, means: npt.NDArray[np.float64], rate: float) -> float:
    """Return the probability that more draws mismatch than are allowed, items that mismatch doing so in all their draws.

    The number of mismatching draws is a compound Poisson variable; Panjer's recursion gives its distribution.

    Args:
        allowed: k.
        means: how often each item is drawn, on average.
        rate: the share of items that mismatch.
    """
    sizes, counts = np.unique(means, return_counts=True)
    jumps = np.zeros(allowed + 1)  # the rate of items that are drawn m times and mismatch
    pmf = np.exp(-sizes)
    hit = rate * float(counts @ (1 - pmf))
    for m in range(1, allowed + 1):
        pmf = pmf * sizes / m
        jumps[m] = rate * float(counts @ pmf)
    reached = np.zeros(allowed + 1)
    reached[0] = math.exp(-hit)
    for total in range(1, allowed + 1):
        steps = np.arange(1, total + 1)
        reached[total] = float(np.sum(steps * jumps[1 : total + 1] * reached[total - steps])) / total
    return max(0.0, 1 - float(reached.sum()))


def _draws_with(allowed: int, rate: float, most: float) -> int:
    """Return the smallest n for which at most `allowed` of n draws mismatch with a probability of at most `most`."""
    low, high = allowed + 1, allowed + 2
    while _at_most(allowed, high, rate) > most:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _at_most(allowed, middle, rate) > most else (low, middle)
    return low


def _at_most(allowed: int, count: int, rate: float) -> float:
    """Return the probability that at most `allowed` of `count` draws mismatch."""
    if rate <= 0:
        return 1.0
    logs = [
        math.lgamma(count + 1)
        - math.lgamma(m + 1)
        - math.lgamma(count - m + 1)
        + m * math.log(rate)
        + (count - m) * math.log1p(-rate)
        for m in range(min(allowed, count) + 1)
    ]
    return math.fsum(math.exp(log) for log in logs)


class Sampling:
    """The images of a bundle under its conditions, to be drawn from.

    Args:
        cells: all of them.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self.numbers = list(dict.fromkeys(name for cell in cells for name in cell.weights))
        self._sizes = [len(cell.image_ids) for cell in cells]
        by_number = [
            np.concatenate([cell.weights.get(name, 0.0) * cell.parts for cell in cells]) for name in self.numbers
        ]
        mean = np.mean(by_number, axis=0)
        self._chances: npt.NDArray[np.float64] = 0.5 / len(mean) + 0.5 * mean / mean.sum()

    @property
    def chances(self) -> npt.NDArray[np.float64]:
        """The probability of each item in one draw, float64 (M,), in the order of the cells and their images."""
        return self._chances

    def share(self, gain: float, aps: Mapping[str, float]) -> float:
        """Return the probability with which a draw meets a forged image, at least, for any number that gains.

        Args:
            gain: in AP, a fraction.
            aps: the AP of each number, a fraction.
        """
        needed = min(
            share_needed(gain, max(0.0, aps[name] - gain)) for name in self.numbers
        )  # what it would be without
        return 0.5 * needed / len(self.numbers)

    def draw(self, secret: bytes, root: str, count: int) -> list[Draw]:
        """Return what is drawn, in the order of the cells and their images.

        Args:
            secret: of who draws; its SHA-256 was published before the bundle was known.
            root: of the bundle.
            count: the number of draws, with replacement.
        """
        key = hmac.new(secret, root.encode(), hashlib.sha256).digest()
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "little")))
        bounds = np.cumsum(self._chances)
        chosen = np.searchsorted(bounds, rng.random(count) * bounds[-1], side="right")
        items, times = np.unique(np.minimum(chosen, len(bounds) - 1), return_counts=True)
        starts = np.cumsum([0, *self._sizes])
        drawn = []
        for item, count_of_item in zip(items.tolist(), times.tolist(), strict=True):
            position = int(np.searchsorted(starts, item, side="right")) - 1
            cell = self.cells[position]
            image_id = int(cell.image_ids[item - starts[position]])
            drawn.append(Draw(cell.dataset, image_id, cell.condition, count_of_item))
        return drawn
