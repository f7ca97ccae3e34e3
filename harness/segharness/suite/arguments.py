"""Parts of a suite that a command names without one: a data set, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from segharness.errors import UsageError
from segharness.plugin.host import PluginHost
from segharness.records import Condition
from segharness.suite.build import build_dataset
from segharness.suite.check import check
from segharness.suite.conditions import expand_conditions
from segharness.suite.load import entry
from segharness.suite.mark import Mark
from segharness.suite.nodes import Node, scalar
from segharness.suite.schema import SUITE
from segharness.suite.suite import DatasetEntry
from segharness.suite.variables import Variables


def given_dataset(
    text: str,
    host: PluginHost,
    limit: int | None = None,
    more: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> DatasetEntry:
    """Return the data set that ``NAME[,id=ID][,KEY=VALUE...]`` names, or its first `limit` images.

    `more` are options, `variables` what ``--var`` gives.

    Raises:
        UsageError: with all the mistakes found.
    """
    problems: list[str] = []
    node = check(entry("DATASET", "dataset", text, problems, more), SUITE["properties"]["datasets"]["items"], problems)
    known = Variables.everywhere(variables)
    found = build_dataset(node, host, problems, known) if node is not None else None
    if problems or found is None:
        raise UsageError(dict.fromkeys(problems))
    return replace(found, limit=limit or found.limit)


def given_conditions(texts: Sequence[str], host: PluginHost, flag: str) -> tuple[Condition, ...]:
    """Return the conditions that names stand for, as in a suite: sets, corruptions, mixtures, ``clean``.

    Raises:
        UsageError: with all the mistakes found.
    """
    problems: list[str] = []
    mark = Mark(flag, 0, 0)
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{flag}: names no condition")
    found, _ = expand_conditions(Node([scalar(name, mark) for name in names], mark), host, problems)
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return found
