"""How to score a run: `ScoreOptions`."""

from __future__ import annotations

from dataclasses import dataclass

from segharness.errors import UsageError, nearest
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import MetricSpec
from segharness.score.bootstrap import resamples_problem
from segharness.suite import Suite

DEFAULT_RESAMPLES = 1000
"""The default number of resamples."""


@dataclass(frozen=True)
class ScoreOptions:
    """How to score a run.

    Attributes:
        engine: the implementation to use for the evaluations that have it; None for each one's default.
        bootstrap: the number of resamples, 100 to 20000; 0 for no intervals.

    Raises:
        UsageError: there are too few resamples for an interval, or too many for the memory.
    """

    engine: str | None = None
    bootstrap: int = DEFAULT_RESAMPLES

    def __post_init__(self) -> None:
        if self.bootstrap != 0 and (problem := resamples_problem(self.bootstrap)):
            raise UsageError(problem)


def check_engine(suite: Suite, host: PluginHost, engine: str | None) -> None:
    """Raise UsageError if none of a suite's evaluations has an engine of that name."""
    known = [name for entry in suite.scoring.evaluations for name in host.get(entry.metric, MetricSpec).engines]
    if engine is not None and engine not in known:
        raise UsageError(f"no engine `{engine}`{nearest(engine, known)}")
