"""How much a model loses under corruption, against a reference model: CD and rCD, and their relatives.

With D = 1 - AP and i over corruptions (APs of a corruption's severities averaged first)::

    CD_f         = mean_i D_i^f / D_i^ref
    rCD_f        = mean_i (D_i^f - D_clean^f) / (D_i^ref - D_clean^ref)
    rCD_pooled_f = sum_i (D_i^f - D_clean^f) / sum_i (D_i^ref - D_clean^ref)
    mPC = mean_i AP_i,   rPC = mPC / AP_clean,   AP_avg = mean AP over all conditions

CD and rCD: "Benchmarking the Robustness of Instance Segmentation Models"; mPC and rPC: Michaelis et al.,
"Benchmarking Robustness in Object Detection". Clean and mixed conditions are not among the i.

Every AP is a number, or an array (1 + B,): the number, and the same on B resamples of the images. What comes out has
the resamples too, NaN where a denominator is not positive there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

OWN = ("AP_avg", "mPC", "rPC")
AGAINST_REFERENCE = ("CD", "rCD", "rCD_pooled")

Numbers: TypeAlias = npt.NDArray[np.float64]
AP: TypeAlias = float | Numbers
"""A fraction, alone or before its values on the resamples."""


@dataclass(frozen=True)
class Value:
    """A number, or None with the reason; `samples` are its values on the resamples, (B,), where there are some."""

    value: float | None
    reason: str | None = None
    samples: Numbers | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Curve:
    """The APs of one model, as fractions.

    Attributes:
        clean: without corruption; None when unknown, and then `clean_reason` says why.
        corrupted: by corruption, the APs of its severities.
        missing: what keeps an average from being taken, or None.
    """

    corrupted: Mapping[str, Sequence[AP]]
    clean: AP | None = None
    clean_reason: str | None = None
    missing: str | None = None

    def means(self) -> dict[str, Numbers]:
        """Return the mean AP of each corruption over its severities, (1 + B,)."""
        return {name: _stack(values).mean(axis=-1) for name, values in self.corrupted.items()}


@dataclass(frozen=True)
class Ratios:
    """What CD and rCD are means of, by corruption; None with the reason where a denominator is not positive."""

    cd: Mapping[str, Value]
    rcd: Mapping[str, Value]


def own_metrics(curve: Curve) -> dict[str, Value]:
    """Return AP_avg, mPC and rPC of one model; never over missing conditions."""
    if curve.missing is not None:
        return dict.fromkeys(OWN, Value(None, curve.missing))
    every = _stack([ap for values in curve.corrupted.values() for ap in values]).mean(axis=-1)
    mpc = _stack(list(curve.means().values())).mean(axis=-1)
    rpc = Value(None, curve.clean_reason)
    if curve.clean is not None:
        (top, below) = _paired(mpc, curve.clean)
        rpc = _value(_divide(top, below), "clean AP is 0")
    return {"AP_avg": _value(every), "mPC": _value(mpc), "rPC": rpc}


def against_reference(curve: Curve, reference: Curve) -> dict[str, Value]:
    """Return CD, rCD and rCD_pooled of a model; a denominator that is not positive gives None and names its corruption."""
    return dict(zip(AGAINST_REFERENCE, (cd(curve, reference), *rcd(curve, reference)), strict=True))


def cd(curve: Curve, reference: Curve) -> Value:
    """Return the corruption degradation, a fraction (1 for the reference itself)."""
    if reason := _missing(curve, reference):
        return Value(None, reason)
    names, top, below = _errors(curve, reference)
    perfect = [name for name, loss in zip(names, below[0], strict=True) if loss <= 0]
    reason = f"the reference's AP under {', '.join(perfect)} is 1: its degradation is 0" if perfect else None
    return _value(_divide(top, below).mean(axis=-1), reason)


def rcd(curve: Curve, reference: Curve) -> tuple[Value, Value]:
    """Return the relative corruption degradation as a mean of ratios, and pooled."""
    if reason := _no_rcd(curve, reference):
        return Value(None, reason), Value(None, reason)
    names, top, below = _losses(curve, reference)
    pooled = _value(
        _divide(top.sum(axis=-1), below.sum(axis=-1)),
        "the reference does not degrade over all corruptions together",
    )
    flat = [name for name, loss in zip(names, below[0], strict=True) if loss <= 0]
    reason = f"the reference does not degrade under {', '.join(flat)}" if flat else None
    return _value(_divide(top, below).mean(axis=-1), reason), pooled


def ratios(curve: Curve, reference: Curve) -> Ratios:
    """Return what CD and rCD of a model are means of, for every corruption."""
    names = list(reference.corrupted)
    if reason := _missing(curve, reference):
        nothing = dict.fromkeys(names, Value(None, reason))
        return Ratios(nothing, nothing)
    _, top, below = _errors(curve, reference)
    found_cd = _each(names, _divide(top, below), "the reference's AP is 1")
    if reason := _no_rcd(curve, reference):
        return Ratios(found_cd, dict.fromkeys(names, Value(None, reason)))
    _, top, below = _losses(curve, reference)
    return Ratios(found_cd, _each(names, _divide(top, below), "the reference does not degrade"))


# --------------------------------------------------------------------------------------------------------- arithmetic


def _errors(curve: Curve, reference: Curve) -> tuple[list[str], Numbers, Numbers]:
    """Return the corruptions, and D of the model and of the reference, (1 + B, n)."""
    own, theirs = curve.means(), reference.means()
    names = list(theirs)
    found = _stack([*(1 - own[name] for name in names), *(1 - theirs[name] for name in names)])
    return names, found[:, : len(names)], found[:, len(names) :]


def _losses(curve: Curve, reference: Curve) -> tuple[list[str], Numbers, Numbers]:
    """Return the corruptions, and what the model and the reference lose from clean, (1 + B, n)."""
    own, theirs = curve.means(), reference.means()
    names = list(theirs)
    assert curve.clean is not None and reference.clean is not None
    found = _stack([curve.clean, reference.clean, *(own[n] for n in names), *(theirs[n] for n in names)])
    split = 2 + len(names)
    return names, found[:, :1] - found[:, 2:split], found[:, 1:2] - found[:, split:]


def _stack(values: Sequence[AP]) -> Numbers:
    """Return numbers as columns, (1 + B, n); where one has no resamples, none has."""
    arrays = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values]
    size = min(len(array) for array in arrays)
    if size < max(len(array) for array in arrays):
        size = 1
    return np.ascontiguousarray(np.stack([array[:size] for array in arrays], axis=-1))


def _paired(first: AP, second: AP) -> tuple[Numbers, Numbers]:
    found = _stack([first, second])
    return found[:, 0], found[:, 1]


def _divide(top: Numbers, below: Numbers) -> Numbers:
    """Return the quotients; NaN where the denominator is not positive."""
    defined = below > 0
    return np.where(defined, top / np.where(defined, below, 1.0), np.nan)


def _value(numbers: Numbers, reason: str | None = None) -> Value:
    samples = numbers[1:] if len(numbers) > 1 else None
    return Value(None, reason, samples) if np.isnan(numbers[0]) else Value(float(numbers[0]), None, samples)


def _each(names: Sequence[str], numbers: Numbers, reason: str) -> dict[str, Value]:
    return {name: _value(numbers[:, column], reason) for column, name in enumerate(names)}


# ------------------------------------------------------------------------------------------------------------- reasons


def _missing(curve: Curve, reference: Curve) -> str | None:
    if curve.missing is not None:
        return curve.missing
    if reference.missing is not None:
        return f"reference: {reference.missing}"
    lacking = [name for name in curve.corrupted if name not in reference.corrupted]
    return f"the reference has no result for {', '.join(lacking)}" if lacking else None


def _no_rcd(curve: Curve, reference: Curve) -> str | None:
    missing = _missing(curve, reference)
    missing = missing or _no_clean(curve, "the model") or _no_clean(reference, "the reference")
    if missing is None and np.atleast_1d(np.asarray(curve.clean))[0] == 0:
        return "the model's clean AP is 0: it has nothing to lose"
    return missing


def _no_clean(curve: Curve, who: str) -> str | None:
    return None if curve.clean is not None else f"{who} has no clean AP: {curve.clean_reason}"
