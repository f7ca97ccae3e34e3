"""The verdict of tier 3: what was drawn, how far it agreed, and what follows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from segharness_leaderboard.reproduction.comparison import LEAST_AGREEMENT, LEAST_MEAN, Again, Difference
from segharness_leaderboard.reproduction.sampling import ADVANTAGE

_MOST_LISTED = 100
"""So many mismatches are listed, those that agree least first."""


@dataclass(frozen=True)
class Terms:
    """How a bundle is judged.

    Attributes:
        power: the gain of a number, as a fraction, that would be seen.
        confidence: with what probability.
        honest_rate: the share of mismatches of honest bundles.
        draws: n, how often an image under a condition is drawn.
        allowed: k, how many draws may mismatch.
        false_alarm: the probability with which an honest bundle has more.
    """

    power: float
    confidence: float
    honest_rate: float
    draws: int
    allowed: int
    false_alarm: float


@dataclass(frozen=True)
class Fresh:
    """What came of the same images, corrupted anew.

    Attributes:
        seed: of the corruptions.
        compared: the APs of the images, in the bundle and under the fresh seed.
    """

    seed: int
    compared: Sequence[Difference]


@dataclass
class Verdict:
    """Whether the predictions of a bundle are those of its model.

    Attributes:
        reasons: why not; it is reproduced if there are none.
        facts: what the verdict is published with.
    """

    reasons: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object."""
        tier = None if self.reasons else "3+ fresh" if self.facts.get("fresh") else "3"
        return {
            "verdict": "refused" if self.reasons else "reproduced",
            "tier": tier,
            "reasons": self.reasons,
            **self.facts,
        }


def judge(
    terms: Terms,
    found: Sequence[Again],
    means: Mapping[str, float],
    compared: Sequence[Difference],
    others: Sequence[str] = (),
    fresh: Fresh | None = None,
) -> Verdict:
    """Return the verdict.

    Args:
        terms: how it is judged.
        found: how far each drawn image agrees.
        means: the mean agreement of each number, without the mismatches.
        compared: the APs of the drawn images.
        others: in what the model that was run, or its kind of answer, differs from the bundle's.
        fresh: what came of images that were corrupted anew; None if that was not asked for.
    """
    verdict = Verdict([f"another model than the bundle's was run: {text}" for text in others])
    mismatches = sorted((a for a in found if a.agreement < LEAST_AGREEMENT), key=lambda again: again.agreement)
    count = sum(again.draw.times for again in mismatches)
    if count > terms.allowed:
        images = f"{len(mismatches)} images" if len(mismatches) > 1 else "one image"
        verdict.reasons.append(
            f"{count} of {terms.draws} draws ({images}) agree by less than {LEAST_AGREEMENT}; at most {terms.allowed} may"
        )
    for number, mean in means.items():
        if mean < LEAST_MEAN:
            verdict.reasons.append(f"{number}: the images drawn agree by {mean:.3f} on average, not by {LEAST_MEAN}")
    half = terms.power / 2
    for difference in compared:
        if difference.low > half or difference.high < -half:
            verdict.reasons.append(f"{_said(difference)} made again")
    for difference in fresh.compared if fresh is not None else ():
        if difference.low > half:
            verdict.reasons.append(f"{_said(difference)} under fresh corruption")
    verdict.facts = {
        **asdict(terms),
        "advantage": ADVANTAGE,
        "images": len(found),
        "mismatches": count,
        "mismatched": [{**asdict(m.draw), "agreement": round(m.agreement, 4)} for m in mismatches[:_MOST_LISTED]],
        "mean_agreement": {number: round(mean, 6) for number, mean in means.items()},
        "numbers": [asdict(difference) for difference in compared],
        "fresh": None if fresh is None else {"seed": fresh.seed, "numbers": [asdict(d) for d in fresh.compared]},
    }
    return verdict


def _said(difference: Difference) -> str:
    stored, again = (f"{100 * value:.2f}" for value in (difference.stored, difference.again))
    interval = f"difference [{100 * difference.low:.2f}, {100 * difference.high:.2f}]"
    which = f"{difference.number}, {difference.task}"
    return f"{which}: AP of the images drawn is {stored} in the bundle, {again} ({interval})"


def machine() -> dict[str, Any]:
    """Return what is said of the machine that made predictions again: no name of it."""
    return {"system": platform.system(), "processor": platform.machine(), "python": platform.python_version()}
