"""Suite files and what they describe: YAML -> `Suite` -> `Plan`.

`load_suite` resolves a file into a `Suite`: it knows every name, and every path is absolute. `make_plan` lists the
cells of a suite, and those of them to run.
"""

from segharness.suite.load import LoadedSuite, Overrides, load_suite
from segharness.suite.plan import Plan, make_plan
from segharness.suite.suite import (
    OVERALL,
    VIEWS,
    ConditionGroup,
    DatasetEntry,
    EvaluationEntry,
    Group,
    ModelEntry,
    Scoring,
    Shift,
    Split,
    StoredReference,
    Suite,
    View,
)
from segharness.suite.variables import Variables

__all__ = [
    "OVERALL",
    "VIEWS",
    "ConditionGroup",
    "DatasetEntry",
    "EvaluationEntry",
    "Group",
    "LoadedSuite",
    "ModelEntry",
    "Overrides",
    "Plan",
    "Scoring",
    "Shift",
    "Split",
    "StoredReference",
    "Suite",
    "Variables",
    "View",
    "load_suite",
    "make_plan",
]
