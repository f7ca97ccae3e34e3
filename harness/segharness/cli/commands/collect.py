"""``segharness collect``."""

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
    parser.add_argument("--resolved", action="store_true", help="print the suites with everything resolved, as YAML")
    parser.add_argument(
        "--labels", action="store_true", help="print what each model's labels become on each data set; loads both"
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="with the tags of every cell")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="only the number of cells")


def execute(args: argparse.Namespace) -> int:
    chosen = plan_suites(args)
    if args.resolved:
        for one in chosen:
            print(yaml.safe_dump(_plain(one.plan.suite.to_json()), sort_keys=False, allow_unicode=True), end="")
        return Exit.OK
    if args.labels:
        from segharness.cli.commands.labels import print_labels

        print_labels(chosen)
        return Exit.OK
    return print_cells(chosen, args.verbose - args.quiet)


def print_cells(chosen: Sequence[PlannedSuite], verbosity: int) -> int:
    """Print the node ids of the selected cells, and how many there are."""
    selected = [cell for one in chosen for cell in one.plan.selected]
    every = sum(len(one.plan.cells) for one in chosen)
    if verbosity >= 0:
        for cell in selected:
            print(cell.node_id + (f"  [{', '.join(sorted(cell.tags))}]" if verbosity > 0 else ""))
    left_out = f", {every - len(selected)} not selected" if every > len(selected) else ""
    print(f"{len(selected)} cells{left_out}", file=sys.stdout if selected else sys.stderr)
    return Exit.OK if selected else Exit.NOTHING


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
