"""Builds a `Suite` from a checked tree of nodes: looks names up, expands conditions, makes paths absolute."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from segharness.plugin.host import PluginHost
from segharness.records import Condition
from segharness.suite.conditions import expand_conditions
from segharness.suite.datasets import DatasetBuilder
from segharness.suite.missing import Missing, split
from segharness.suite.model_groups import GroupBuilder
from segharness.suite.models import ModelBuilder
from segharness.suite.plugin_options import OptionReader
from segharness.suite.scoring import ScoringBuilder
from segharness.suite.suite import ORIGINAL, ConditionGroup, DatasetEntry, ModelEntry, Suite
from segharness.suite.variables import Variables
from segharness.suite.yaml_parser import Node


def build(
    root: Node,
    shown: str,
    file: Path,
    host: PluginHost,
    problems: list[str],
    written: Collection[str],
    variables: Variables,
) -> Suite:
    """Return the suite that a checked tree describes.

    Args:
        root: the tree that `segharness.suite.check.check` returned.
        shown: the suite's path as the user wrote it; the first part of node ids.
        file: the suite's file.
        host: the plugins whose names the suite may use.
        problems: messages, each with its place. Unknown names and missing files are appended. If it holds messages
            already, mistakes that may only follow from those are not reported.
        written: the top-level keys of the suite, including those whose values were dropped as wrong.
        variables: the values of options that the suite does not set.
    """
    intact = not problems
    _check_requirements(root, intact, problems)
    options = OptionReader(problems, intact)
    dataset_builder = DatasetBuilder(host, problems, options, variables)
    dataset_nodes = _items_of(root, "datasets", intact, problems)
    datasets = list(dataset_builder.entries(dataset_nodes, _number(root, "limit"), root.get("resolution")))
    dataset_ids = [dataset.id for dataset in datasets]
    models = ModelBuilder(host, problems, intact, options, dataset_ids)
    whole = not split(problems)[0]  # what this machine lacks leaves the names in a suite as they are
    groups = GroupBuilder(root, problems, whole, models)
    group_entries = groups.groups(written)
    _check_resolutions(dataset_builder.resolutions, groups.models, problems)
    conditions, condition_groups = _conditions(root, host, problems)
    scoring = ScoringBuilder(root, host, problems, whole, dataset_ids)
    return Suite(
        path=shown,
        name=_text(root, "name") or re.sub(r"[^a-z0-9._-]", "-", file.stem.lower()),
        description=node.written or node.text if (node := root.get("description")) else "",
        seed=_number(root, "seed") or 0,
        models=tuple(groups.models),
        groups=tuple(group_entries),
        datasets=tuple(datasets),
        conditions=conditions,
        condition_groups=condition_groups,
        scoring=scoring.scoring(),
        shifts=tuple(scoring.shifts(conditions)),
        report=tuple(scoring.views()),
        private=_private(root, datasets),
    )


def _private(root: Node, datasets: Collection[DatasetEntry]) -> dict[str, str]:
    """Return ``${NAME}`` by its value, for the variables whose values went into the models and data sets."""
    found: dict[str, str] = {}
    for key in ("models", "groups", "datasets"):
        if (node := root.get(key)) is not None:
            found |= node.all_values()
    for entry in datasets:  # options that a suite does not set may have their values from variables
        for key, written in entry.as_written.items():
            value = entry.options.get(key.partition(".")[2])
            if isinstance(written, str) and isinstance(value, str) and written not in found.values():
                found.setdefault(value, written)
    return found


def build_dataset(node: Node, host: PluginHost, problems: list[str], variables: Variables) -> DatasetEntry | None:
    """Return the data set that a checked item of ``datasets:`` describes, outside of a suite.

    Args:
        node: the item.
        host: the plugins that offer data sets.
        problems: messages; every mistake is appended.
        variables: the values of options that the item does not set.

    Returns:
        The data set, or None if no plugin offers it.
    """
    options = OptionReader(problems, not problems)
    return next(DatasetBuilder(host, problems, options, variables).entries([node], None), None)


def _items_of(root: Node, key: str, intact: bool, problems: list[str]) -> list[Node]:
    """Return the items of a top-level list; an empty list is a mistake, unless its items were dropped."""
    node = root.get(key)
    if node is not None and not node.items() and intact:
        problems.append(f"{node.mark}: `{key}` is empty")
    return node.items() if node else []


def _text(root: Node, key: str) -> str:
    node = root.get(key)
    return node.text if node else ""


def _number(root: Node, key: str) -> int | None:
    node = root.get(key)
    return int(node.plain()) if node else None


def _conditions(
    root: Node, host: PluginHost, problems: list[str]
) -> tuple[tuple[Condition, ...], tuple[ConditionGroup, ...]]:
    node = root.get("conditions")
    return ((), ()) if node is None else expand_conditions(node, host, problems)


def _check_resolutions(
    wanted: Collection[tuple[Node, DatasetEntry]], models: Collection[ModelEntry], problems: list[str]
) -> None:
    """Append a problem for every data set whose images some models cannot take at their own size."""
    unable = [f"`{model.id}`" for model in models if ORIGINAL not in model.resolutions]
    for node, entry in wanted:
        if entry.resolution == ORIGINAL and unable:
            subject = f"{'models' if len(unable) > 1 else 'model'} {', '.join(unable)}"
            problems.append(
                f"{node.mark}: data set `{entry.id}` has `resolution: original`, and {subject} cannot be given images at "
                "their own size; `original-if-possible` gives them what they were published with, and says so"
            )


def _check_requirements(root: Node, intact: bool, problems: list[str]) -> None:
    """Append a problem for every distribution in ``requires:`` that is missing or has an unsuitable version."""
    for node in _items_of(root, "requires", intact, problems):
        try:
            requirement = Requirement(node.text)
        except InvalidRequirement as error:
            problems.append(f"{node.mark}: `{node.text}` is not a PEP 508 requirement: {str(error).splitlines()[0]}")
            continue
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(Missing(f"{node.mark}: {requirement.name} is not installed: pip install '{node.text}'"))
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            problems.append(
                Missing(
                    f"{node.mark}: {requirement.name} {installed} is installed, not {requirement.specifier}: "
                    f"pip install '{node.text}'"
                )
            )
