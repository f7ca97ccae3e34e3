"""``segharness collect``: which cells a run would have."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from segharness.cli.arguments.selection import add_selection_arguments, plan_suites
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.plugin.specs import DatasetSpec

if TYPE_CHECKING:
    from segharness.cli.arguments.selection import PlannedSuite


def configure(parser: argparse.ArgumentParser) -> None:
    add_selection_arguments(parser)
    parser.add_argument(
        "--resolved",
        action="store_true",
        help="print the suites with all names, options and defaults resolved, as YAML",
    )
    parser.add_argument(
        "--labels",
        action="store_true",
        help="print what each label of a model becomes on each data set; loads the models and data sets",
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="also print the tags of every cell")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="print only the number of cells")


def execute(args: argparse.Namespace) -> int:
    suites = plan_suites(args, only_plan=not args.labels)
    if args.resolved:
        for planned in suites:
            print(yaml.safe_dump(_plain(planned.plan.suite.to_json()), sort_keys=False, allow_unicode=True), end="")
        return Exit.OK
    if args.labels:
        from segharness.cli.commands.label_mapping import print_labels

        print_labels(suites)
        return Exit.OK
    return print_cells(suites, args.verbose - args.quiet)


def print_cells(suites: Sequence[PlannedSuite], verbosity: int) -> int:
    """Print the node ids of the selected cells, their number, and what this machine lacks; return the exit code."""
    selected = [cell for planned in suites for cell in planned.plan.selected]
    total = sum(len(planned.plan.cells) for planned in suites)
    if verbosity >= 0:
        for cell in selected:
            print(cell.node_id + (f"  [{', '.join(sorted(cell.tags))}]" if verbosity > 0 else ""))
    left_out = f", {total - len(selected)} not selected" if total > len(selected) else ""
    print(f"{len(selected)} cells{left_out}", file=sys.stdout if selected else sys.stderr)
    for planned in suites:
        for line in dict.fromkeys([*planned.missing, *_needs(planned)]):
            say(f"missing: {line}")
    return Exit.OK if selected else Exit.NOTHING


def _needs(planned: PlannedSuite) -> Iterator[str]:
    """Yield what this machine lacks to run a suite's selected cells: data sets, and the frameworks of models."""
    from segharness.model.resolve import missing_framework, model_list

    suite, selected = planned.plan.suite, planned.plan.selected
    for dataset in suite.datasets:
        spec = planned.host.find(dataset.dataset, DatasetSpec)
        paths = [key for key, option in spec.options.items() if option.path and option.required] if spec else []
        absent = [key for key in paths if not Path(str(dataset.options.get(key, ""))).exists()]
        if spec is not None and (absent or any(key not in dataset.options for key in paths)):
            yield f"data set `{dataset.id}`: `segharness datasets {spec.name}` says how to get its files"
    models: dict[str, list[str]] = {}
    for model in suite.models:
        if any(cell.model == model.id for cell in selected) and (problem := missing_framework(model, planned.host)):
            models.setdefault(problem, []).append(f"`{model.id}`")
    for problem, ids in models.items():
        yield f"{model_list(ids)}: {problem}"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
