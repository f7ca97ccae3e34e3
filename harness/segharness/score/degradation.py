"""How much a model loses under corruption, against a reference model: CD and rCD, and their relatives.

With D = 1 - AP and i over corruptions (APs of a corruption's severities averaged first)::

    CD_f         = mean_i D_i^f / D_i^ref
    rCD_f        = mean_i (D_i^f - D_clean^f) / (D_i^ref - D_clean^ref)
    rCD_pooled_f = sum_i (D_i^f - D_clean^f) / sum_i (D_i^ref - D_clean^ref)
    mPC = mean_i AP_i,   rPC = mPC / AP_clean,   AP_avg = mean AP over all conditions

CD and rCD: "Benchmarking the Robustness of Instance Segmentation Models"; mPC and rPC: Michaelis et al.,
"Benchmarking Robustness in Object Detection". Clean and mixed conditions are not among the i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

OWN = ("AP_avg", "mPC", "rPC")
AGAINST_REFERENCE = ("CD", "rCD", "rCD_pooled")


@dataclass(frozen=True)
class Value:
    """A number, or None with the reason."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Curve:
    """The APs of one model, as fractions.

    Attributes:
        clean: without corruption; None when unknown, and then `clean_reason` says why.
        corrupted: by corruption, the APs of its severities.
        missing: what keeps an average from being taken, or None.
    """

    corrupted: Mapping[str, Sequence[float]]
    clean: float | None = None
    clean_reason: str | None = None
    missing: str | None = None

    def means(self) -> dict[str, float]:
        """Return the mean AP of each corruption over its severities."""
        return {name: float(np.mean(values)) for name, values in self.corrupted.items()}


def own_metrics(curve: Curve) -> dict[str, Value]:
    """Return AP_avg, mPC and rPC of one model; never over missing conditions."""
    if curve.missing is not None:
        return dict.fromkeys(OWN, Value(None, curve.missing))
    every = [ap for values in curve.corrupted.values() for ap in values]
    mpc = float(np.mean(list(curve.means().values())))
    if curve.clean is None:
        rpc = Value(None, curve.clean_reason)
    else:
        rpc = Value(mpc / curve.clean) if curve.clean > 0 else Value(None, "clean AP is 0")
    return {"AP_avg": Value(float(np.mean(every))), "mPC": Value(mpc), "rPC": rpc}


def against_reference(curve: Curve, reference: Curve) -> dict[str, Value]:
    """Return CD, rCD and rCD_pooled of a model; a denominator that is not positive gives None and names its corruption."""
    return dict(zip(AGAINST_REFERENCE, (cd(curve, reference), *rcd(curve, reference)), strict=True))


def cd(curve: Curve, reference: Curve) -> Value:
    """Return the corruption degradation, a fraction (1 for the reference itself)."""
    if reason := _missing(curve, reference):
        return Value(None, reason)
    own, theirs = curve.means(), reference.means()
    for name, ap in theirs.items():
        if 1 - ap <= 0:
            return Value(None, f"the reference's AP under {name} is 1: its degradation is 0")
    return Value(float(np.mean([(1 - own[name]) / (1 - theirs[name]) for name in theirs])))


def rcd(curve: Curve, reference: Curve) -> tuple[Value, Value]:
    """Return the relative corruption degradation as a mean of ratios, and pooled."""
    reason = _missing(curve, reference) or _no_clean(curve, "the model") or _no_clean(reference, "the reference")
    if reason or curve.clean is None or reference.clean is None:
        return Value(None, reason), Value(None, reason)
    own = {name: curve.clean - ap for name, ap in curve.means().items()}
    theirs = {name: reference.clean - ap for name, ap in reference.means().items()}
    total = float(np.sum(list(theirs.values())))
    pooled = (
        Value(float(np.sum([own[name] for name in theirs])) / total)
        if total > 0
        else Value(None, "the reference does not degrade over all corruptions together")
    )
    flat = [name for name, loss in theirs.items() if loss <= 0]
    if flat:
        return Value(None, f"the reference does not degrade under {', '.join(flat)}"), pooled
    return Value(float(np.mean([own[name] / theirs[name] for name in theirs]))), pooled


def _missing(curve: Curve, reference: Curve) -> str | None:
    if curve.missing is not None:
        return curve.missing
    if reference.missing is not None:
        return f"reference: {reference.missing}"
    lacking = [name for name in curve.corrupted if name not in reference.corrupted]
    return f"the reference has no result for {', '.join(lacking)}" if lacking else None


def _no_clean(curve: Curve, who: str) -> str | None:
    return None if curve.clean is not None else f"{who} has no clean AP: {curve.clean_reason}"
