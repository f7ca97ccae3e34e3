"""Data sets and conditions that a command line names without a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from segharness.errors import UsageError
from segharness.plugin.host import PluginHost
from segharness.records import Condition
from segharness.suite.build import build_dataset
from segharness.suite.check import check
from segharness.suite.conditions import expand_conditions
from segharness.suite.load import node_of_argument
from segharness.suite.mark import Mark
from segharness.suite.schema import SUITE
from segharness.suite.suite import DatasetEntry
from segharness.suite.variables import Variables
from segharness.suite.yaml_parser import Node, scalar


def dataset_from_argument(
    text: str,
    host: PluginHost,
    limit: int | None = None,
    more: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    flag: str = "DATASET",
) -> DatasetEntry:
    """Return the data set that a text on the command line describes.

    Args:
        text: ``NAME[,id=ID][,KEY=VALUE...]``.
        host: the plugins that offer data sets.
        limit: the number of images to take from the beginning; wins over a limit in `text`.
        more: further options of the data set, as texts.
        variables: the values that ``--var`` gives, by the variable's name.
        flag: the argument that messages begin with.

    Raises:
        UsageError: the text has mistakes; the error lists all of them.
    """
    problems: list[str] = []
    node = check(
        node_of_argument(flag, "dataset", text, problems, more), SUITE["properties"]["datasets"]["items"], problems
    )
    all_variables = Variables.of_process(variables)
    dataset = build_dataset(node, host, problems, all_variables) if node is not None else None
    if problems or dataset is None:
        raise UsageError(dict.fromkeys(problems))
    return replace(dataset, limit=limit or dataset.limit)


def conditions_from_arguments(texts: Sequence[str], host: PluginHost, flag: str) -> tuple[Condition, ...]:
    """Return the conditions that texts on the command line name, each once.

    Args:
        texts: names, separated by commas, as in ``conditions:`` of a suite: sets, corruptions, mixtures, ``clean``.
        host: the plugins that offer conditions.
        flag: the flag or argument that messages begin with.

    Raises:
        UsageError: the texts have mistakes; the error lists all of them.
    """
    problems: list[str] = []
    mark = Mark(flag, 0, 0)
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{flag}: names no condition")
    conditions, _ = expand_conditions(Node([scalar(name, mark) for name in names], mark), host, problems)
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return conditions
