"""``segharness collect``: which cells a run would have."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml

from segharness.cli.arguments.selection import add_selection_arguments, plan_suites
from segharness.cli.exit_codes import Exit

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
    suites = plan_suites(args)
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
    """Print the node ids of the selected cells and their number; return the exit code."""
    selected = [cell for planned in suites for cell in planned.plan.selected]
    total = sum(len(planned.plan.cells) for planned in suites)
    if verbosity >= 0:
        for cell in selected:
            print(cell.node_id + (f"  [{', '.join(sorted(cell.tags))}]" if verbosity > 0 else ""))
    left_out = f", {total - len(selected)} not selected" if total > len(selected) else ""
    print(f"{len(selected)} cells{left_out}", file=sys.stdout if selected else sys.stderr)
    return Exit.OK if selected else Exit.NOTHING


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
