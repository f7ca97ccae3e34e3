"""The verdict of tier 3: what was drawn, how far it agreed, and what follows."""

from __future__ import annotations

import hashlib
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
        allowed: k, how many mismatches are accepted.
        fresh_seed: the seed that corruptions were drawn from anew; None for the protocol's.
    """

    power: float
    confidence: float
    honest_rate: float
    draws: int
    allowed: int
    fresh_seed: int | None = None


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
        fresh = self.facts.get("fresh_seed") is not None
        tier = None if self.reasons else "3+ fresh" if fresh else "3"
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
    inputs: Sequence[str],
) -> Verdict:
    """Return the verdict.

    Args:
        terms: how it is judged.
        found: how far each drawn image agrees; nothing under a fresh seed.
        means: the mean agreement of each number.
        compared: the APs of the drawn images.
        inputs: in what the model that was run differs from the one that the bundle names.
    """
    verdict = Verdict()
    verdict.reasons += [f"another model than the bundle's was run: {text}" for text in inputs]
    mismatches = [again for again in found if again.agreement < LEAST_AGREEMENT]
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
        stored, again = (f"{100 * value:.2f}" for value in (difference.stored, difference.again))
        interval = f"difference [{100 * difference.low:.2f}, {100 * difference.high:.2f}]"
        if difference.low > half or (difference.high < -half and terms.fresh_seed is None):
            verdict.reasons.append(
                f"{difference.number}: AP of the images drawn is {stored} in the bundle and {again} made again: {interval}"
            )
    mismatches.sort(key=lambda again: again.agreement)
    verdict.facts = {
        **asdict(terms),
        "advantage": ADVANTAGE,
        "images": len(found) or sum(d.images for d in compared),
        "mismatches": count,
        "mismatched": [{**asdict(m.draw), "agreement": round(m.agreement, 4)} for m in mismatches[:_MOST_LISTED]],
        "mean_agreement": {number: round(mean, 6) for number, mean in means.items()},
        "numbers": [asdict(difference) for difference in compared],
    }
    return verdict


def machine() -> dict[str, Any]:
    """Return what is said of the machine that made predictions again: no name of it."""
    return {"system": platform.system(), "processor": platform.machine(), "python": platform.python_version()}


def commitment(secret: bytes) -> str:
    """Return what is published before a secret is used: its SHA-256, as hex.

    Example:
        >>> commitment(b"secret")[:16]
        '2bb80d537b1da3e3'
    """
    return hashlib.sha256(secret).hexdigest()
