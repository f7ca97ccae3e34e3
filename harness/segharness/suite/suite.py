"""A suite as typed values, which planning, running, scoring and reporting read."""

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
    "ratios": "the ratios that CD and rCD are means of",
}
"""The views that a report can show besides the tables of the papers, and what they hold."""


AS_PUBLISHED, ORIGINAL, ORIGINAL_IF_POSSIBLE = "model", "original", "original-if-possible"
"""The values of ``resolution:``: the size at which networks are given the images of a data set."""


@dataclass(frozen=True)
class ModelEntry:
    """A model of a suite.

    Attributes:
        id: the name in node ids, paths and tables.
        model: the name that a plugin offers, or the absolute ``file.py:function`` of a local model.
        options: the options on every data set.
        options_for: further options by the id of a data set; they win over `options`.
        weights: the absolute path of the weights file, or a name that the model knows.
        python: the absolute path of another environment's interpreter; None to run in this one.
        batch_size: the number of images per call of predict, or ``"auto"``.
        tags: tags for ``-m``, besides those of the plugin.
        foreign: the ``file.py:function`` that `python` runs for a plugin's model; None for a local model, where it
            runs `model` itself.
        needs: the fields of `Needs` that the suite sets; they win over the plugin's.
        resolutions: the sizes at which it can be given images, as `ModelSpec.resolutions`.
        facts: what is known of it, for ``segharness report --by``: texts, numbers and truth values by name.
        as_written: as the suite writes it, what the value of a variable went into: by ``model``, ``weights``, ``python``,
            ``options.KEY`` and ``options_for.DATASET.KEY``. A manifest has this in place of the value.
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
    resolutions: tuple[str, ...] = (AS_PUBLISHED,)
    facts: Mapping[str, Any] = field(default_factory=dict)
    as_written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def foreign_function(self) -> tuple[Path, str] | None:
        """The file and function of a model that runs under another interpreter; None for other models."""
        if self.python is None:
            return None
        file, _, function = (self.foreign or self.model).rpartition(":")
        return (Path(file), function)

    @property
    def local_function(self) -> tuple[Path, str] | None:
        """The file and function of a local model; None for a plugin's."""
        file, _, function = self.model.rpartition(":")
        return (Path(file), function) if file.endswith(".py") else None

    def options_on(self, dataset: str) -> dict[str, Any]:
        """Return the options of the model on the data set with this id."""
        return {**self.options, **self.options_for.get(dataset, {})}

    def resolution_on(self, dataset: DatasetEntry) -> str:
        """Return the size at which the model is given the images of a data set: ``"model"`` or ``"original"``."""
        return ORIGINAL if dataset.resolution != AS_PUBLISHED and ORIGINAL in self.resolutions else AS_PUBLISHED

    def is_from_variable(self, key: str, dataset: str) -> bool:
        """Return whether the value of a variable went into an option of the model on a data set."""
        special = key in self.options_for.get(dataset, {})
        return (f"options_for.{dataset}.{key}" if special else f"options.{key}") in self.as_written


@dataclass(frozen=True)
class DatasetEntry:
    """A data set of a suite.

    Attributes:
        id: the name in node ids, paths and tables.
        dataset: the name that a plugin offers.
        options: the options of its factory.
        limit: the number of images to take from its beginning; None for all.
        tags: tags for ``-m``, including those of the plugin.
        labels: changes of its categories when it is scored: by name, the category that it becomes, ``drop`` or
            ``ignore``.
        categories: the names of the categories that are scored, after `labels` is applied; all if empty.
        resolution: the size at which networks are given its images: ``"model"``, as each was published, ``"original"``,
            as the images are, or ``"original-if-possible"``.
        as_written: as `ModelEntry.as_written`, by ``options.KEY``.
        sample: the number of images to draw by `segharness.data.open_dataset.draw_sample`, before `limit`; None for all.
    """

    id: str
    dataset: str
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    resolution: str = AS_PUBLISHED
    as_written: Mapping[str, Any] = field(default_factory=dict)
    sample: int | None = None

    @property
    def policy(self) -> dict[str, Any]:
        """The `labels` and `categories` that the suite sets, without those it does not set; part of the protocol."""
        settings = {"labels": dict(sorted(self.labels.items())), "categories": sorted(set(self.categories))}
        return {key: value for key, value in settings.items() if value}

    @property
    def protocol(self) -> dict[str, Any]:
        """What the suite adds to a data set that can change a number: its policy, and a resolution of its own."""
        own = {} if self.resolution == AS_PUBLISHED else {"resolution": self.resolution}
        return {"limit": self.limit, **self.policy, **own}


@dataclass(frozen=True)
class StoredReference:
    """A reference from an earlier run: results that are read, and never made.

    Attributes:
        results: the path or URL of a results.arrow; in a manifest only its name.
        model: one of its models, if it has several.
        digest: of the model's numbers; None before they were read.
    """

    results: str
    model: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Group:
    """Models that are compared with the same reference: the id of one of them, stored results, or None."""

    name: str
    models: tuple[str, ...]
    reference: str | StoredReference | None = None


@dataclass(frozen=True)
class ConditionGroup:
    """The names of conditions that an average, CD and rCD run over, and the group's name in tables."""

    name: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """A subset of the categories: `categories`, or with `complement` all others."""

    name: str
    categories: tuple[str, ...]
    complement: bool = False


@dataclass(frozen=True)
class EvaluationEntry:
    """An evaluation of a suite.

    Attributes:
        id: the name of the evaluation in results.
        metric: the name of the metric that computes it.
        options: the options of the metric.
        datasets: the ids of the data sets that it scores; all if empty.
    """

    id: str
    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()

    def to_json(self) -> Any:
        """Return the entry as JSON: only the metric's name if nothing else is set.

        So protocol ids stay the same as before metrics had options.
        """
        if self.id == self.metric and not self.options and not self.datasets:
            return self.metric
        entry = {"id": self.id, "metric": self.metric, "options": dict(self.options)}
        return {**entry, "datasets": list(self.datasets)} if self.datasets else entry

    @classmethod
    def from_json(cls, data: Any) -> EvaluationEntry:
        """Return the entry that `to_json` wrote."""
        if isinstance(data, str):
            return cls(data, data)
        return cls(data["id"], data["metric"], data["options"], tuple(data.get("datasets", ())))


@dataclass(frozen=True)
class Scoring:
    """How detections are scored: the tasks (``segm``, ``bbox``), the evaluations, and the splits of categories."""

    tasks: tuple[str, ...] = ("segm", "bbox")
    evaluations: tuple[EvaluationEntry, ...] = (EvaluationEntry("coco", "coco"),)
    splits: tuple[Split, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the scoring as JSON.

        Protocol ids are made from it: if a field is added, it must be left out unless a suite uses it.
        """
        return {
            "tasks": list(self.tasks),
            "metrics": [entry.to_json() for entry in self.evaluations],
            "splits": [
                {"name": split.name, "categories": list(split.categories), "complement": split.complement}
                for split in self.splits
            ],
        }


@dataclass(frozen=True)
class Shift:
    """A comparison of data sets: `clean` counts as the clean condition, `datasets` as its corruptions.

    For example, COCO is clean, and street scenes that the models were not trained on are the shift.
    """

    name: str
    clean: str
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A view that reports show besides the usual tables: a key of `VIEWS`; for all data sets if `datasets` is empty."""

    view: str
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A suite: all names are resolved, all variables are expanded, all paths are absolute.

    Attributes:
        path: the path as the user wrote it; the first part of node ids.
        name: the name of the run folder.
        models: all models, each once.
        groups: the models by the reference that they are compared with.
        datasets: the data sets.
        conditions: all conditions, each once.
        condition_groups: the groups of conditions that averages run over.
        scoring: the tasks, evaluations and splits.
        seed: the seed of all random corruptions.
        description: a sentence or two for readers.
        shifts: the comparisons between data sets.
        report: the views to show besides the usual tables.
        private: ``${NAME}`` by its value, for the variables whose values went into models and data sets. It stays on
            this machine: see `shared_suite`.
    """

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
    private: Mapping[str, str] = field(default_factory=dict)

    def model(self, id: str) -> ModelEntry:
        """Return the model with an id; raises StopIteration if there is none."""
        return next(m for m in self.models if m.id == id)

    def dataset(self, id: str) -> DatasetEntry:
        """Return the data set with an id; raises StopIteration if there is none."""
        return next(d for d in self.datasets if d.id == id)

    def condition(self, name: str) -> Condition:
        """Return the condition with a name; raises StopIteration if there is none."""
        return next(c for c in self.conditions if c.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return the suite as JSON values, which `from_json` reads, without `as_written` and `private`.

        The values of its options may be secrets; `segharness.suite.shared_suite` leaves them out.
        """
        content = {**dataclasses.asdict(self), "scoring": self.scoring.to_json()}
        del content["private"]
        for entry in (*content["models"], *content["datasets"]):
            del entry["as_written"]
        return content

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Suite:
        """Return the suite that `to_json` wrote."""

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
                tuple(EvaluationEntry.from_json(m) for m in data["scoring"]["metrics"]),
                tuple(Split(**tuples(s)) for s in data["scoring"]["splits"]),
            ),
            seed=data["seed"],
            description=data["description"],
            shifts=tuple(Shift(**tuples(s)) for s in data.get("shifts", ())),
            report=tuple(View(**tuples(v)) for v in data.get("report", ())),
        )
