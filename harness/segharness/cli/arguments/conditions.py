"""The arguments that ``corrupt`` and ``preview`` share: conditions, and what their random draws depend on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from segharness.errors import UsageError
from segharness.plugin.specs import ConditionSet, CorruptionSpec, MixtureSpec
from segharness.records import Condition
from segharness.suite.arguments import given_conditions


def add_condition_arguments(
    parser: argparse.ArgumentParser, required: bool, ids: str = "draw as for this image"
) -> None:
    """Add the arguments that name conditions and what random draws depend on."""
    parser.add_argument(
        "--corruption",
        action="append",
        required=required,
        default=[],
        metavar="NAME",
        help="corruptions, mixtures or sets, with or without a level, e.g. `fog`, `fog-3`; may be given more than once",
    )
    parser.add_argument(
        "--severity",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="of those named without a level; default all that there are; may be given more than once",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    parser.add_argument("--image-id", type=int, default=0, metavar="N", help=f"{ids}; default 0")
    parser.add_argument("--dataset", default="", metavar="NAME", help="draw as runs on it do, e.g. `coco/instances`")


def conditions_from(args: argparse.Namespace, names: Sequence[str]) -> list[Condition]:
    """Return the conditions that corruptions and ``--severity`` name; one named with its level, as fog-3, keeps it."""
    found: list[Condition] = []
    for name in filter(None, (name.strip() for text in names for name in text.split(","))):
        some = given_conditions([name], args.host, "--corruption")
        if args.severity and args.host.find(name, CorruptionSpec, MixtureSpec, ConditionSet):
            levels = dict.fromkeys(f"{c.corruption}-{level}" for c in some for level in args.severity)
            some = given_conditions(list(levels), args.host, "--severity")
        found += some
    conditions = [c for c in dict.fromkeys(found) if c.corruption is not None]
    if not conditions:
        raise UsageError(f"--corruption {','.join(names)}: names no corruption")
    return conditions
