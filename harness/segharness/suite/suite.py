"""What a suite says, typed: the values that planning, running, scoring and reporting read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segharness.records import Condition

OVERALL = "all"
"""The split that holds every category."""

VIEWS = {
    "metrics": "every metric under the first condition",
    "classes": "a table of every category",
    "parts": "averages, CD and rCD by category of corruption and by severity",
    "ratios": "what CD and rCD are means of",
}
"""What a report can show besides the papers' tables."""


@dataclass(frozen=True)
class ModelEntry:
    """A model of a suite.

    Attributes:
        id: in node ids, paths and tables.
        model: the plugin's name, or the absolute ``file.py:function``.
        options: for every data set; `options_for` maps a data set's id to options that win over them.
        weights, python: absolute paths.
        foreign: the ``file.py:function`` that `python` runs; of a plugin's model, for a file of one's own is `model` itself.
        batch_size: a number, or ``"auto"``.
        needs: what wins over the `Needs` of the plugin.
    """

    id: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    options_for: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: str | None = None
    python: str | None = None
    batch_size: int | str = 1
    tags: tuple[str, ...] = ()
    foreign: str | None = None
    needs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def under_python(self) -> tuple[Path, str] | None:
        """The file and function of a model that runs under another interpreter."""
        if self.python is None:
            return None
        file, _, function = (self.foreign or self.model).rpartition(":")
        return (Path(file), function)

    @property
    def local(self) -> tuple[Path, str] | None:
        """The file and function of a model that no plugin offers."""
        file, _, function = self.model.rpartition(":")
        return (Path(file), function) if file.endswith(".py") else None

    def options_on(self, dataset: str) -> dict[str, Any]:
        return {**self.options, **self.options_for.get(dataset, {})}


@dataclass(frozen=True)
class DatasetEntry:
    """A data set of a suite.

    Attributes:
        id: in node ids, paths and tables.
        dataset: the plugin's name.
        options: for its factory.
        limit: the number of images to take from its beginning.
        labels: what becomes of its categories when it is scored: another one's name, ``drop`` or ``ignore``.
        categories: those that are scored, after that; all when empty.
    """

    id: str
    dataset: str
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()

    @property
    def policy(self) -> dict[str, Any]:
        """What the suite makes of its categories, where it says anything; part of the protocol."""
        found = {"labels": dict(sorted(self.labels.items())), "categories": sorted(set(self.categories))}
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True)
class StoredReference:
    """A reference that was run before: a results.arrow and one of its models."""

    results: str
    model: str | None = None


@dataclass(frozen=True)
class Group:
    """Models that are compared with one reference: the id of one of them, stored results, or nothing."""

    name: str
    models: tuple[str, ...]
    reference: str | StoredReference | None = None


@dataclass(frozen=True)
class ConditionGroup:
    """The conditions that an average, CD and rCD run over, and their name in tables."""

    name: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """A subset of the categories: those named, or all but those named."""

    name: str
    categories: tuple[str, ...]
    complement: bool = False


@dataclass(frozen=True)
class MetricEntry:
    """An evaluation of a suite: its name in results, the metric that computes it, and that one's options.

    `datasets` are the ids of those that it is for; all when empty.
    """

    id: str
    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()

    def to_json(self) -> Any:
        """Return the metric's name alone where that says it all, so that protocol ids are as they were before options."""
        if self.id == self.metric and not self.options and not self.datasets:
            return self.metric
        found = {"id": self.id, "metric": self.metric, "options": dict(self.options)}
        return {**found, "datasets": list(self.datasets)} if self.datasets else found

    @classmethod
    def from_json(cls, data: Any) -> MetricEntry:
        if isinstance(data, str):
            return cls(data, data)
        return cls(data["id"], data["metric"], data["options"], tuple(data.get("datasets", ())))


@dataclass(frozen=True)
class Scoring:
    """How predictions become numbers."""

    tasks: tuple[str, ...] = ("segm", "bbox")
    metrics: tuple[MetricEntry, ...] = (MetricEntry("coco", "coco"),)
    splits: tuple[Split, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what protocol ids are made from: a field that is added must be left out while a suite does not use it."""
        return {
            "tasks": list(self.tasks),
            "metrics": [entry.to_json() for entry in self.metrics],
            "splits": [
                {"name": split.name, "categories": list(split.categories), "complement": split.complement}
                for split in self.splits
            ],
        }


@dataclass(frozen=True)
class Shift:
    """Data sets that degradation runs over, with one that is clean: COCO, say, and the streets that a model never saw."""

    name: str
    clean: str
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A kind of table that reports show besides the usual ones; of all data sets when `datasets` is empty."""

    view: str
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A suite with every name resolved, every variable expanded, every path absolute."""

    path: str
    name: str
    models: tuple[ModelEntry, ...]
    groups: tuple[Group, ...]
    datasets: tuple[DatasetEntry, ...]
    conditions: tuple[Condition, ...]
    condition_groups: tuple[ConditionGroup, ...]
    scoring: Scoring = Scoring()
    seed: int = 0
    description: str = ""
    shifts: tuple[Shift, ...] = ()
    report: tuple[View, ...] = ()

    def model(self, id: str) -> ModelEntry:
        return next(m for m in self.models if m.id == id)

    def dataset(self, id: str) -> DatasetEntry:
        return next(d for d in self.datasets if d.id == id)

    def condition(self, name: str) -> Condition:
        return next(c for c in self.conditions if c.name == name)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "scoring": self.scoring.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Suite:
        def reference(value: Any) -> str | StoredReference | None:
            return StoredReference(**value) if isinstance(value, dict) else value

        def tuples(value: Mapping[str, Any]) -> dict[str, Any]:
            return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}

        return cls(
            path=data["path"],
            name=data["name"],
            models=tuple(ModelEntry(**tuples(m)) for m in data["models"]),
            groups=tuple(Group(g["name"], tuple(g["models"]), reference(g["reference"])) for g in data["groups"]),
            datasets=tuple(DatasetEntry(**tuples(d)) for d in data["datasets"]),
            conditions=tuple(Condition(**tuples(c)) for c in data["conditions"]),
            condition_groups=tuple(ConditionGroup(**tuples(c)) for c in data["condition_groups"]),
            scoring=Scoring(
                tuple(data["scoring"]["tasks"]),
                tuple(MetricEntry.from_json(m) for m in data["scoring"]["metrics"]),
                tuple(Split(**tuples(s)) for s in data["scoring"]["splits"]),
            ),
            seed=data["seed"],
            description=data["description"],
            shifts=tuple(Shift(**tuples(s)) for s in data.get("shifts", ())),
            report=tuple(View(**tuples(v)) for v in data.get("report", ())),
        )
