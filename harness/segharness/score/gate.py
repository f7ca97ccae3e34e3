"""A gate: whether a model is worse than another by some metrics, as far as paired intervals can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segharness.errors import UsageError, nearest
from segharness.plugin.metric_specs import FRACTION
from segharness.records import CLEAN
from segharness.score.compare import Difference

_POINTS = 100
"""Fractions are given and shown in percentage points."""


@dataclass(frozen=True)
class GateRule:
    """A number by which the second model must not be worse.

    Attributes:
        metric: such as ``AP`` or ``rCD``.
        condition: the condition or condition set; "" for clean images, or for every whole set if the metric is of sets.
    """

    metric: str
    condition: str = ""

    def matches(self, row: Difference) -> bool:
        """Return whether a difference is one that the rule is about."""
        if row.metric != self.metric:
            return False
        if self.condition:
            return row.condition == self.condition
        return row.condition == CLEAN.name if row.kind is None else not row.part

    def __str__(self) -> str:
        return f"{self.metric}@{self.condition}" if self.condition else self.metric


def gate_rules(text: str) -> list[GateRule]:
    """Return the rules of ``METRIC[@CONDITION],...``.

    Raises:
        UsageError: the text has another form.

    Example:
        >>> gate_rules("rCD,AP@fog-3")
        [GateRule(metric='rCD', condition=''), GateRule(metric='AP', condition='fog-3')]
    """
    rules = []
    for part in text.split(","):
        metric, at, condition = part.strip().partition("@")
        if not metric or (at and not condition):
            raise UsageError(f"--fail-if-worse {text}: write METRIC or METRIC@CONDITION, separated by commas")
        rules.append(GateRule(metric, condition))
    return rules


@dataclass(frozen=True)
class GateVerdict:
    """What a gate found.

    Attributes:
        worse: the differences by which the second model is worse by more than the margin.
        held: those by which it is not.
        undecided: those that have no interval.
    """

    worse: Sequence[Difference]
    held: Sequence[Difference]
    undecided: Sequence[Difference]


def judge(rules: Sequence[GateRule], differences: Sequence[Difference], by: float = 0.0) -> GateVerdict:
    """Judge the differences between two models by the rules of a gate.

    Args:
        rules: at least one.
        differences: the second model's value minus the first one's.
        by: how much worse the second may be: in percentage points of fractions, else in the metric's unit. It is worse
            if the whole interval is on the wrong side of this margin.

    Raises:
        UsageError: a rule matches no difference, since a gate that looks at nothing must not open; or it is of a metric
            of which neither direction is better.
    """
    problems = []
    for rule in rules:
        of_metric = [row for row in differences if row.metric == rule.metric]
        if any(rule.matches(row) for row in of_metric):
            continue
        if not of_metric:
            problems.append(
                f"--fail-if-worse {rule}: no number of both models has that metric"
                f"{nearest(rule.metric, {row.metric for row in differences})}"
            )
        else:
            conditions = sorted({row.condition for row in of_metric})
            hint = nearest(rule.condition, conditions) if rule.condition else f" (known: {', '.join(conditions[:12])})"
            problems.append(
                f"--fail-if-worse {rule}: both models have no {rule.metric} there{hint}: write METRIC@CONDITION"
            )
    matched = [row for row in differences if any(rule.matches(row) for rule in rules)]
    neither = sorted({row.metric for row in matched if row.better == "neither"})
    problems += [f"--fail-if-worse {name}: neither direction of it is better" for name in neither]
    if problems:
        raise UsageError(problems)
    worse: list[Difference] = []
    held: list[Difference] = []
    undecided: list[Difference] = []
    for row in matched:
        low, high = row.interval.low, row.interval.high
        if row.difference is None or low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            undecided.append(row)
            continue
        margin = by / _POINTS if row.unit == FRACTION else by
        is_worse = low > margin if row.better == "smaller" else high < -margin
        (worse if is_worse else held).append(row)
    return GateVerdict(worse, held, undecided)
