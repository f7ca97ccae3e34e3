"""Evaluations, and what each of their metrics is: its unit, which direction is better, what may be derived from it."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, get_args

from segharness.errors import PluginError, UsageError
from segharness.plugin.failures import plugin_failure
from segharness.plugin.import_strings import Reference, load
from segharness.plugin.spec_checks import check_spec

FRACTION = "fraction"
"""The unit of metrics from 0 to 1. Tables show them in percent."""

COUNT = "count"
SECONDS = "seconds"
PER_SECOND = "per second"

Better = Literal["larger", "smaller", "neither"]
"""Which of two values is the better one."""

_METRIC_NAME = re.compile(r"[A-Za-z][\w.-]*")


@dataclass(frozen=True)
class Metric:
    """One number that an evaluation gives. Tables, comparisons and degradation know nothing else about it.

    Attributes:
        name: in results, such as ``AP50``. A letter, then letters, digits, ``_``, ``-`` and ``.``.
        unit: ``"fraction"`` (from 0 to 1, shown in percent), ``"count"``, ``"seconds"``, ``"per second"``, or a unit of
            its own in one or two words, such as ``"px"``. Values are stored in this unit.
        better: whether the ``"larger"`` or the ``"smaller"`` of two values is better, or ``"neither"``. Tables print
            the best of a column in bold; `compare` calls differences better or worse.
        degradation: whether averages over conditions, mPC, rPC, CD and rCD are derived from it. Only for a fraction of
            which the larger is better: its error is D = 1 - value.
        column: a heading, such as ``fps``. The metric is then also a column of other evaluations' tables: of those of
            the same task, or of all if no other evaluation has its task. Its numbers there are those of the suite's
            first condition, usually clean. None for a metric that is only in its own evaluation's tables.
        formula: how it is computed, in one line, for ``segharness metrics``.

    Raises:
        PluginError: the name, unit or direction has the wrong form, or degradation cannot be derived.

    Example:
        >>> Metric("contour_error", unit="px", better="smaller", formula="mean distance of the contours").better
        'smaller'
    """

    name: str
    _: KW_ONLY
    unit: str = FRACTION
    better: Better = "larger"
    degradation: bool = False
    column: str | None = None
    formula: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _METRIC_NAME.fullmatch(self.name):
            raise PluginError(f"Metric name {self.name!r:.60} must match {_METRIC_NAME.pattern}")
        if not _is_short_text(self.unit):
            raise PluginError(f"Metric `{self.name}`: unit is {self.unit!r:.60}, not a text of up to 20 characters")
        if self.better not in get_args(Better):
            raise PluginError(f"Metric `{self.name}`: better is {self.better!r:.60}, not larger, smaller or neither")
        if self.degradation and (self.unit != FRACTION or self.better != "larger"):
            raise PluginError(
                f"Metric `{self.name}`: degradation is 1 - value, so it needs a fraction of which the larger is better"
            )
        if self.column is not None and not _is_short_text(self.column):
            raise PluginError(f"Metric `{self.name}`: column is {self.column!r:.60}, not a heading of 20 characters")
        if not isinstance(self.formula, str):
            raise PluginError(f"Metric `{self.name}`: formula is {self.formula!r:.60}, not a text")


def _is_short_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) == len(value) <= 20 and value.isprintable()


@dataclass(frozen=True)
class MetricSpec:
    """An evaluation: a way to score one cell.

    Attributes:
        name: of the evaluation, such as ``coco``.
        score: ``score(request: segharness.ScoreRequest)`` returns `segharness.Score` values, of `metrics` alone.
        tasks: those it can score: ``segm``, ``bbox`` ... If there is only one, it is scored whatever a suite asks for.
        metrics: the numbers it gives. Its tables are about the first one.
        description: one line, for ``segharness metrics``.
        ground_truth: the kind of ground truth that the data set must have.
        also: further kinds of ground truth, used if the data set has them.
        engines: the implementations it can use, the default first.
        configure: ``configure(options)`` returns the metrics under a suite's options, or raises `UsageError` if the
            options are wrong. None for an evaluation without options.
        table: whether it has tables of its own. If False, only its columns are shown, and its own table with
            ``--metrics``, as for frames per second.

    Raises:
        PluginError: a name has the wrong form, or `metrics` is not a tuple of distinct `Metric` values.

    Example:
        >>> n = Metric("n", unit="count", better="neither")
        >>> MetricSpec("count", score="acme.work:count", tasks=("segm",), metrics=(n,)).metrics[0].unit
        'count'
    """

    name: str
    _: KW_ONLY
    score: Reference
    tasks: tuple[str, ...]
    metrics: tuple[Metric, ...]
    description: str = ""
    ground_truth: str = "instances"
    also: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    configure: Reference | None = None
    table: bool = True

    def __post_init__(self) -> None:
        check_spec(self, self.score, *([self.configure] if self.configure is not None else []))
        for name in ("tasks", "also", "engines"):
            values = getattr(self, name)
            if not isinstance(values, (tuple, list)) or not all(isinstance(value, str) for value in values):
                raise PluginError(f"MetricSpec `{self.name}`: {name} must be a tuple of strings, not {values!r:.60}")
        if not self.tasks:
            raise PluginError(f"MetricSpec `{self.name}`: has no tasks")
        if problem := _metrics_problem(self.metrics):
            raise PluginError(f"MetricSpec `{self.name}`: {problem}")

    def metrics_under(self, options: Mapping[str, Any]) -> EvaluationMetrics:
        """Return the metrics that the evaluation has under a suite's options.

        Raises:
            UsageError: `configure` says that the options are wrong.
            PluginError: `configure` returned something else than metrics.
        """
        if self.configure is None:
            return EvaluationMetrics(self.metrics, table=self.table)
        try:
            metrics = load(self.configure)(copy.deepcopy(dict(options)))
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            raise plugin_failure(f"metric `{self.name}`: its configure", error) from error
        if problem := _metrics_problem(metrics):
            raise PluginError(f"metric `{self.name}`: its configure returned wrong {problem}")
        return EvaluationMetrics(tuple(metrics), table=self.table)


def _metrics_problem(metrics: Any) -> str | None:
    """Return what is wrong with the metrics of an evaluation, or None."""
    if not isinstance(metrics, (tuple, list)) or not metrics or not all(isinstance(m, Metric) for m in metrics):
        return f"metrics must be a tuple of `Metric`s, not {metrics!r:.60}"
    names = [metric.name for metric in metrics]
    if twice := next((name for name in names if names.count(name) > 1), None):
        return f"metrics: `{twice}` stands there twice"
    derived = {
        derived_name(metric.name, kind): metric.name for metric in metrics if metric.degradation for kind in DERIVED
    }
    if taken := next((name for name in names if name in derived), None):
        return f"metrics: `{taken}` is the name of what is derived from `{derived[taken]}`"
    return None


# ------------------------------------------------------------------------------------------------- derived metrics

AVERAGE, MPC, RPC = "avg", "mPC", "rPC"
CD, RCD, RCD_POOLED = "CD", "rCD", "rCD_pooled"
CD_RATIO, RCD_RATIO = "CD_ratio", "rCD_ratio"

DERIVED: Mapping[str, Better] = {
    AVERAGE: "larger",
    MPC: "larger",
    RPC: "larger",
    CD: "smaller",
    RCD: "smaller",
    RCD_POOLED: "smaller",
    CD_RATIO: "smaller",
    RCD_RATIO: "smaller",
}
"""What is derived from a metric with degradation, over sets of conditions, and which direction is better."""


def derived_name(metric: str, kind: str) -> str:
    """Return the name in results of a derived metric. Those of AP have the papers' names.

    Args:
        metric: the name of the metric that it is derived from.
        kind: a key of `DERIVED`.

    Example:
        >>> derived_name("AP", "CD"), derived_name("PQ", "CD"), derived_name("AP", "avg")
        ('CD', 'PQ_CD', 'AP_avg')
    """
    return kind if metric == "AP" and kind != AVERAGE else f"{metric}_{kind}"


@dataclass(frozen=True)
class EvaluationMetrics:
    """The metrics of one evaluation of a run, and those derived from them.

    Attributes:
        declared: as the evaluation declares them under the suite's options.
        table: whether the evaluation has tables of its own.

    Example:
        >>> metrics = EvaluationMetrics((Metric("PQ", degradation=True), Metric("SQ")))
        >>> metrics.get("PQ_rCD").better, metrics.primary
        ('smaller', 'PQ')
    """

    declared: Sequence[Metric]
    table: bool = True

    @property
    def primary(self) -> str:
        """The name of the metric that tables are about: the first one."""
        return self.declared[0].name

    def degradable(self) -> list[str]:
        """Return the names of the metrics from which degradation is derived."""
        return [metric.name for metric in self.declared if metric.degradation]

    def names_by_kind(self, metric: str) -> dict[str, str]:
        """Return the names of all that is derived from a metric, by their keys of `DERIVED`."""
        return {kind: derived_name(metric, kind) for kind in DERIVED} if metric in self.degradable() else {}

    def origin_of(self, name: str) -> tuple[str, str] | None:
        """Return the metric that a derived one is taken of, and its key of `DERIVED`; None for any other metric."""
        for metric in self.degradable():
            for kind, derived in self.names_by_kind(metric).items():
                if derived == name:
                    return metric, kind
        return None

    def get(self, name: str) -> Metric:
        """Return a metric by its name in results. One that is not known has no unit, and neither direction is better."""
        for metric in self.declared:
            if metric.name == name:
                return metric
        origin = self.origin_of(name)
        return Metric(name, better=DERIVED[origin[1]]) if origin else Metric(name, unit="unknown", better="neither")
