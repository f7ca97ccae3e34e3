"""YAML -> `Suite` (every name known, every path absolute) -> `Plan` (the cells to run)."""

from segharness.suite.load import LoadedSuite, Overrides, load_suite
from segharness.suite.plan import Plan, make_plan
from segharness.suite.source import Variables
from segharness.suite.suite import (
    OVERALL,
    ConditionGroup,
    DatasetEntry,
    Group,
    ModelEntry,
    Scoring,
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
    "ModelEntry",
    "Overrides",
    "Plan",
    "Scoring",
    "Split",
    "StoredReference",
    "Suite",
    "Variables",
    "load_suite",
    "make_plan",
]
