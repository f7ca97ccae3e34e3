"""How much a model loses under corruption, alone and against a reference model: mPC, rPC, CD and rCD.

With D = 1 - AP, f the model, and i over corruptions (the APs of a corruption's severities are averaged first)::

    CD_f         = mean_i D_i^f / D_i^ref
    rCD_f        = mean_i (D_i^f - D_clean^f) / (D_i^ref - D_clean^ref)
    rCD_pooled_f = sum_i (D_i^f - D_clean^f) / sum_i (D_i^ref - D_clean^ref)
    mPC = mean_i AP_i,   rPC = mPC / AP_clean,   avg = mean AP over all conditions

CD and rCD: "Benchmarking the Robustness of Instance Segmentation Models"; mPC and rPC: Michaelis et al.,
"Benchmarking Robustness in Object Detection". The sums and means over i leave out clean and mixed conditions.

Every AP is a number, or an array (1 + B,): the number, then its values on B resamples of the images. Results then have
values on the resamples, too: NaN for a resample on which a denominator is not positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segharness.plugin.metric_specs import AVERAGE, CD, MPC, RCD, RCD_POOLED, RPC

OWN = (AVERAGE, MPC, RPC)
AGAINST_REFERENCE = (CD, RCD, RCD_POOLED)

ROUNDING = 1e-12
"""A denominator of no more than this is 0: sums are rounded, so a perfect AP may be 0.9999999999999998."""

Numbers: TypeAlias = npt.NDArray[np.float64]
AP: TypeAlias = float | Numbers
"""A fraction, or an array (1 + B,) of it and its values on the resamples."""


@dataclass(frozen=True)
class Value:
    """A number, or None with the reason; `samples` are its values on the resamples, float64 (B,), or None."""

    value: float | None
    reason: str | None = None
    samples: Numbers | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Curve:
    """The APs of one model, as fractions.

    Attributes:
        corrupted: the APs of each corruption's severities, by corruption.
        clean: the AP without corruption; None if it is unknown.
        clean_reason: why `clean` is unknown.
        missing: which APs are missing, so that there is no average; None if none is.

    Example:
        >>> curve = Curve({"fog": [0.3, 0.1], "snow": [0.2]}, clean=0.4)
        >>> round(own_metrics(curve)["mPC"].value, 3)
        0.2
    """

    corrupted: Mapping[str, Sequence[AP]]
    clean: AP | None = None
    clean_reason: str | None = None
    missing: str | None = None

    def means(self) -> dict[str, Numbers]:
        """Return the mean AP of each corruption over its severities, float64 (1 + B,)."""
        return {name: _stack(values).mean(axis=-1) for name, values in self.corrupted.items()}


@dataclass(frozen=True)
class Ratios:
    """The ratios that CD and rCD average, by corruption; None with the reason if a denominator is not positive."""

    cd: Mapping[str, Value]
    rcd: Mapping[str, Value]


def own_metrics(curve: Curve) -> dict[str, Value]:
    """Return avg, mPC and rPC of one model, by name; all are None if a condition is missing."""
    if curve.missing is not None:
        return dict.fromkeys(OWN, Value(None, curve.missing))
    average = _stack([ap for values in curve.corrupted.values() for ap in values]).mean(axis=-1)
    mpc = _stack(list(curve.means().values())).mean(axis=-1)
    rpc = Value(None, curve.clean_reason)
    if curve.clean is not None:
        (numerators, denominators) = _paired(mpc, curve.clean)
        rpc = _value(_divide(numerators, denominators), "clean AP is 0")
    return {AVERAGE: _value(average), MPC: _value(mpc), RPC: rpc}


def against_reference(curve: Curve, reference: Curve) -> dict[str, Value]:
    """Return CD, rCD and rCD_pooled of a model, by name, as fractions.

    A denominator that is not positive gives None; the reason names its corruption.

    Example:
        >>> against_reference(Curve({"fog": [0.3]}, 0.5), Curve({"fog": [0.2]}, 0.4))["rCD"].value
        1.0
    """
    return dict(zip(AGAINST_REFERENCE, (cd(curve, reference), *rcd(curve, reference)), strict=True))


def cd(curve: Curve, reference: Curve) -> Value:
    """Return CD, the corruption degradation, as a fraction: 1 for the reference itself."""
    if reason := _missing(curve, reference):
        return Value(None, reason)
    corruptions, numerators, denominators = _errors(curve, reference)
    perfect = [name for name, loss in zip(corruptions, denominators[0], strict=True) if loss <= ROUNDING]
    reason = f"the reference's AP under {', '.join(perfect)} is 1: its degradation is 0" if perfect else None
    return _value(_divide(numerators, denominators).mean(axis=-1), reason)


def rcd(curve: Curve, reference: Curve) -> tuple[Value, Value]:
    """Return rCD and rCD_pooled: the relative corruption degradation as a mean of ratios, and as a ratio of sums."""
    if reason := _no_rcd(curve, reference):
        return Value(None, reason), Value(None, reason)
    corruptions, numerators, denominators = _losses(curve, reference)
    pooled = _value(
        _divide(numerators.sum(axis=-1), denominators.sum(axis=-1)),
        "the reference does not degrade over all corruptions together",
    )
    flat = [name for name, loss in zip(corruptions, denominators[0], strict=True) if loss <= ROUNDING]
    reason = f"the reference does not degrade under {', '.join(flat)}" if flat else None
    return _value(_divide(numerators, denominators).mean(axis=-1), reason), pooled


def ratios(curve: Curve, reference: Curve) -> Ratios:
    """Return the ratios that CD and rCD of a model average, for every corruption."""
    corruptions = list(reference.corrupted)
    if reason := _missing(curve, reference):
        missing = dict.fromkeys(corruptions, Value(None, reason))
        return Ratios(missing, missing)
    _, numerators, denominators = _errors(curve, reference)
    cd_ratios = _by_corruption(corruptions, _divide(numerators, denominators), "the reference's AP is 1")
    if reason := _no_rcd(curve, reference):
        return Ratios(cd_ratios, dict.fromkeys(corruptions, Value(None, reason)))
    _, numerators, denominators = _losses(curve, reference)
    return Ratios(
        cd_ratios, _by_corruption(corruptions, _divide(numerators, denominators), "the reference does not degrade")
    )


# --------------------------------------------------------------------------------------------------------- arithmetic


def _errors(curve: Curve, reference: Curve) -> tuple[list[str], Numbers, Numbers]:
    """Return the names of the n corruptions, and D of the model and of the reference, each (1 + B, n)."""
    model_means, reference_means = curve.means(), reference.means()
    corruptions = list(reference_means)
    columns = _stack(
        [*(1 - model_means[name] for name in corruptions), *(1 - reference_means[name] for name in corruptions)]
    )
    return corruptions, columns[:, : len(corruptions)], columns[:, len(corruptions) :]


def _losses(curve: Curve, reference: Curve) -> tuple[list[str], Numbers, Numbers]:
    """Return the names of the n corruptions, and what model and reference lose against clean, each (1 + B, n)."""
    model_means, reference_means = curve.means(), reference.means()
    corruptions = list(reference_means)
    assert curve.clean is not None and reference.clean is not None
    columns = _stack(
        [
            curve.clean,
            reference.clean,
            *(model_means[name] for name in corruptions),
            *(reference_means[name] for name in corruptions),
        ]
    )
    split = 2 + len(corruptions)
    return corruptions, columns[:, :1] - columns[:, 2:split], columns[:, 1:2] - columns[:, split:]


def _stack(values: Sequence[AP]) -> Numbers:
    """Return n values as columns, (1 + B, n); (1, n) if one of them has no resamples."""
    arrays = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values]
    size = min(len(array) for array in arrays)
    if size < max(len(array) for array in arrays):
        size = 1
    return np.ascontiguousarray(np.stack([array[:size] for array in arrays], axis=-1))


def _paired(first: AP, second: AP) -> tuple[Numbers, Numbers]:
    columns = _stack([first, second])
    return columns[:, 0], columns[:, 1]


def _divide(numerators: Numbers, denominators: Numbers) -> Numbers:
    """Return the quotients; NaN for a denominator that is not positive, or is nothing but rounding."""
    defined = denominators > ROUNDING
    return np.where(defined, numerators / np.where(defined, denominators, 1.0), np.nan)


def _value(numbers: Numbers, reason: str | None = None) -> Value:
    samples = numbers[1:] if len(numbers) > 1 else None
    return Value(None, reason, samples) if np.isnan(numbers[0]) else Value(float(numbers[0]), None, samples)


def _by_corruption(corruptions: Sequence[str], numbers: Numbers, reason: str) -> dict[str, Value]:
    return {name: _value(numbers[:, column], reason) for column, name in enumerate(corruptions)}


# ------------------------------------------------------------------------------------------------------------- reasons


def _missing(curve: Curve, reference: Curve) -> str | None:
    if curve.missing is not None:
        return curve.missing
    if reference.missing is not None:
        return f"reference: {reference.missing}"
    lacking = [name for name in curve.corrupted if name not in reference.corrupted]
    return f"the reference has no result for {', '.join(lacking)}" if lacking else None


def _no_rcd(curve: Curve, reference: Curve) -> str | None:
    reason = _missing(curve, reference)
    reason = reason or _no_clean(curve, "the model") or _no_clean(reference, "the reference")
    if reason is None and np.atleast_1d(np.asarray(curve.clean))[0] == 0:
        return "the model's clean AP is 0: it has nothing to lose"
    return reason


def _no_clean(curve: Curve, subject: str) -> str | None:
    return None if curve.clean is not None else f"{subject} has no clean AP: {curve.clean_reason}"
