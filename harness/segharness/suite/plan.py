"""Lists the cells of a `Suite` in the order in which they are shown, and those of them that are selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segharness.plugin.host import PluginHost
from segharness.plugin.specs import ModelSpec
from segharness.records import Cell
from segharness.suite.select import Selection
from segharness.suite.suite import Suite


@dataclass(frozen=True)
class Plan:
    """All cells of a suite, and those that are selected to run."""

    suite: Suite
    cells: tuple[Cell, ...]
    selected: tuple[Cell, ...]


def make_plan(suite: Suite, host: PluginHost, selection: Selection | None = None) -> Plan:
    """Return the cells of a suite: by model, then data set, then condition, each in the suite's order.

    Args:
        suite: the suite.
        host: the plugins; their tags of models count for `selection`.
        selection: the cells to select; all by default.
    """
    cells: list[Cell] = []
    for model in suite.models:
        spec = host.find(model.model, ModelSpec)
        for dataset in suite.datasets:
            for condition in suite.conditions:
                tags = {*model.tags, *(spec.tags if spec else ()), *dataset.tags, *condition.tags}
                cells.append(Cell(suite.path, model.id, dataset.id, condition, frozenset(tags)))
    selected: Sequence[Cell] = cells if selection is None else [cell for cell in cells if selection.admits(cell)]
    return Plan(suite, tuple(cells), tuple(selected))
