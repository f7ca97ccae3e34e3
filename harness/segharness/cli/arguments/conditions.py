"""The arguments that ``corrupt`` and ``preview`` share: conditions, and what keys their random draws."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from segharness.errors import UsageError
from segharness.plugin.specs import ConditionSet, CorruptionSpec, MixtureSpec
from segharness.records import Condition
from segharness.suite.from_arguments import conditions_from_arguments


def add_condition_arguments(
    parser: argparse.ArgumentParser, required: bool, image_id_help: str = "use the random draws of this image id"
) -> None:
    """Add the arguments that name conditions, and those that key the random draws."""
    parser.add_argument(
        "--corruption",
        action="append",
        required=required,
        default=[],
        metavar="NAME",
        help="corruptions, mixtures or condition sets, with or without a severity, e.g. `fog,snow-3`; may be repeated",
    )
    parser.add_argument(
        "--severity",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="severity of the corruptions named without one; default all of theirs; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random draws; default 0")
    parser.add_argument("--image-id", type=int, default=0, metavar="N", help=f"{image_id_help}; default 0")
    parser.add_argument(
        "--dataset",
        default="",
        metavar="NAME",
        help="use the random draws of runs on this data set, e.g. `coco/instances`",
    )


def conditions_from(args: argparse.Namespace, names: Sequence[str]) -> list[Condition]:
    """Return the conditions that `names` and ``--severity`` select; a name with its own severity, as fog-3, keeps it.

    Raises:
        UsageError: a name or severity is unknown, or no corruption is named.
    """
    conditions: list[Condition] = []
    for name in filter(None, (part.strip() for text in names for part in text.split(","))):
        named = conditions_from_arguments([name], args.host, "--corruption")
        if args.severity and args.host.find(name, CorruptionSpec, MixtureSpec, ConditionSet):
            levels = dict.fromkeys(f"{c.corruption}-{level}" for c in named for level in args.severity)
            named = conditions_from_arguments(list(levels), args.host, "--severity")
        conditions += named
    corrupted = [c for c in dict.fromkeys(conditions) if c.corruption is not None]
    if not corrupted:
        raise UsageError(f"--corruption {','.join(names)}: names no corruption")
    return corrupted
