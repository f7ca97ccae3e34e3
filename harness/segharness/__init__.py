"""segharness: which instance segmentation model still works when the world gets ugly?

This is the public API. Names are imported on first use, so that listing plugins stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segharness.api import evaluate, run, score_results
    from segharness.errors import (
        CellError,
        ContractError,
        DataError,
        ImageError,
        LostError,
        NoPredictionsError,
        PluginError,
        SchemaError,
        SegharnessError,
        StoreError,
        SuiteError,
        UsageError,
        coded,
        nearest,
    )
    from segharness.images.randomness import generator
    from segharness.plugin.deprecation import PluginDeprecationWarning, deprecated
    from segharness.plugin.hookspecs import hookimpl
    from segharness.plugin.host import PluginHost
    from segharness.plugin.options import Option
    from segharness.plugin.specs import (
        CategorySet,
        CommandSpec,
        ConditionSet,
        CorruptionSpec,
        DatasetSpec,
        ExecutorSpec,
        ForeignSpec,
        Metric,
        MetricSpec,
        MixtureSpec,
        ModelSet,
        ModelSpec,
        Needs,
        ProtocolSpec,
        PublishedSpec,
        ReporterSpec,
        SuiteSpec,
        WeightsSpec,
    )
    from segharness.plugin.weights import RANDOM, download
    from segharness.records import (
        Category,
        Condition,
        Corruption,
        Dataset,
        Detections,
        Instances,
        Model,
        Sample,
        StoredPredictions,
    )
    from segharness.report.layout import Report
    from segharness.score.bootstrap import Resamples
    from segharness.score.request import GroundTruth, Score, ScoreRequest
    from segharness.store.atomic import write_atomic
    from segharness.store.results import read_results

_NAMES_OF = {
    "api": ("evaluate", "run", "score_results"),
    "errors": (
        "CellError",
        "ContractError",
        "DataError",
        "ImageError",
        "LostError",
        "NoPredictionsError",
        "PluginError",
        "SchemaError",
        "SegharnessError",
        "StoreError",
        "SuiteError",
        "UsageError",
        "coded",
        "nearest",
    ),
    "plugin.deprecation": ("PluginDeprecationWarning", "deprecated"),
    "plugin.hookspecs": ("hookimpl",),
    "plugin.host": ("PluginHost",),
    "plugin.options": ("Option",),
    "records": (
        "Category",
        "Condition",
        "Corruption",
        "Dataset",
        "Detections",
        "Instances",
        "Model",
        "NetworkInput",
        "Sample",
        "StoredPredictions",
    ),
    "plugin.specs": (
        "CategorySet",
        "CommandSpec",
        "ConditionSet",
        "CorruptionSpec",
        "DatasetSpec",
        "ExecutorSpec",
        "ForeignSpec",
        "Metric",
        "MetricSpec",
        "MixtureSpec",
        "ModelSet",
        "ModelSpec",
        "Needs",
        "Origin",
        "ProtocolSpec",
        "PublishedSpec",
        "ReporterSpec",
        "SuiteSpec",
        "WeightsSpec",
    ),
    "report.layout": ("Report",),
    "images.randomness": ("generator",),
    "score.bootstrap": ("Resamples",),
    "score.request": ("GroundTruth", "Score", "ScoreRequest"),
    "store.atomic": ("write_atomic",),
    "plugin.weights": ("RANDOM", "download"),
    "store.results": ("read_results",),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}

__all__ = [
    "RANDOM",
    "Category",
    "CategorySet",
    "CellError",
    "CommandSpec",
    "Condition",
    "ConditionSet",
    "ContractError",
    "Corruption",
    "CorruptionSpec",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "Detections",
    "ExecutorSpec",
    "ForeignSpec",
    "GroundTruth",
    "ImageError",
    "Instances",
    "LostError",
    "Metric",
    "MetricSpec",
    "MixtureSpec",
    "Model",
    "ModelSet",
    "ModelSpec",
    "Needs",
    "NetworkInput",
    "NoPredictionsError",
    "Option",
    "Origin",
    "PluginDeprecationWarning",
    "PluginError",
    "PluginHost",
    "ProtocolSpec",
    "PublishedSpec",
    "Report",
    "ReporterSpec",
    "Resamples",
    "Sample",
    "SchemaError",
    "Score",
    "ScoreRequest",
    "SegharnessError",
    "StoreError",
    "StoredPredictions",
    "SuiteError",
    "SuiteSpec",
    "UsageError",
    "WeightsSpec",
    "coded",
    "deprecated",
    "download",
    "evaluate",
    "generator",
    "hookimpl",
    "nearest",
    "read_results",
    "run",
    "score_results",
    "write_atomic",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'segharness' has no attribute {name!r}")
    return getattr(importlib.import_module(f"segharness.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
