"""A checked tree of nodes -> a `Suite`: names are looked up, conditions expanded, paths made absolute."""

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
from segharness.suite.groups import GroupBuilder
from segharness.suite.models import ModelBuilder
from segharness.suite.nodes import Node
from segharness.suite.options import OptionReader
from segharness.suite.scoring import ScoringBuilder
from segharness.suite.suite import ConditionGroup, DatasetEntry, Suite
from segharness.suite.variables import Variables


def build(
    root: Node,
    shown: str,
    file: Path,
    host: PluginHost,
    problems: list[str],
    written: Collection[str],
    variables: Variables,
) -> Suite:
    """Return the suite that a checked tree describes; unknown names and missing files are appended to `problems`.

    Args:
        root: what `segharness.suite.check.check` left of a tree.
        shown: the suite's path as the user wrote it; the first part of node ids.
        file: the suite's file.
        host: the plugins whose names the suite may use.
        problems: messages, each with its place; where there are some already, what follows from them is not said again.
        written: the keys at the top of the suite, also those whose values were dropped.
        variables: give options their values where the suite does not.
    """
    intact = not problems
    _check_requirements(root, intact, problems)
    options = OptionReader(problems, intact)
    datasets = list(
        DatasetBuilder(host, problems, options, variables).entries(
            _items_of(root, "datasets", intact, problems), _number(root, "limit")
        )
    )
    dataset_ids = [dataset.id for dataset in datasets]
    groups = GroupBuilder(root, problems, intact, ModelBuilder(host, problems, intact, options, dataset_ids))
    group_entries = groups.groups(written)
    conditions, condition_groups = _conditions(root, host, problems)
    scoring = ScoringBuilder(root, host, problems, intact, dataset_ids)
    return Suite(
        path=shown,
        name=_text(root, "name") or re.sub(r"[^a-z0-9._-]", "-", file.stem.lower()),
        description=_text(root, "description"),
        seed=_number(root, "seed") or 0,
        models=tuple(groups.models),
        groups=tuple(group_entries),
        datasets=tuple(datasets),
        conditions=conditions,
        condition_groups=condition_groups,
        scoring=scoring.scoring(),
        shifts=tuple(scoring.shifts(conditions)),
        report=tuple(scoring.views()),
    )


def build_dataset(node: Node, host: PluginHost, problems: list[str], variables: Variables) -> DatasetEntry | None:
    """Return the data set that a checked node of ``datasets:`` describes, outside of a suite."""
    options = OptionReader(problems, not problems)
    return next(DatasetBuilder(host, problems, options, variables).entries([node], None), None)


def _items_of(root: Node, key: str, intact: bool, problems: list[str]) -> list[Node]:
    """Return the items of a list at the top of a suite; an empty one is a mistake, unless its items were dropped."""
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


def _check_requirements(root: Node, intact: bool, problems: list[str]) -> None:
    """Complain of every distribution of ``requires:`` that is not installed in a fitting version."""
    for node in _items_of(root, "requires", intact, problems):
        try:
            wanted = Requirement(node.text)
        except InvalidRequirement as error:
            problems.append(f"{node.mark}: `{node.text}` is not a PEP 508 requirement: {str(error).splitlines()[0]}")
            continue
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            installed = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{node.mark}: {wanted.name} is not installed: pip install '{node.text}'")
            continue
        if not wanted.specifier.contains(installed, prereleases=True):
            problems.append(
                f"{node.mark}: {wanted.name} {installed} is installed, not {wanted.specifier}: "
                f"pip install '{node.text}'"
            )
