"""YAML -> `Suite` (every name known, every path absolute) -> `Plan` (the cells to run)."""

from segharness.suite.load import LoadedSuite, Overrides, load_suite
from segharness.suite.plan import Plan, make_plan
from segharness.suite.source import Variables
from segharness.suite.suite import (
    OVERALL,
    ConditionGroup,
    DatasetEntry,
    Group,
    MetricEntry,
    ModelEntry,
    Scoring,
    Shift,
    Split,
    StoredReference,
    Suite,
)

__all__ = [
    "OVERALL",
    "ConditionGroup",
    "DatasetEntry",
    "Group",
    "LoadedSuite",
    "MetricEntry",
    "ModelEntry",
    "Overrides",
    "Plan",
    "Scoring",
    "Shift",
    "Split",
    "StoredReference",
    "Suite",
    "Variables",
    "load_suite",
    "make_plan",
]
