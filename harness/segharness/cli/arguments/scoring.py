"""The arguments that ``run`` and ``score`` share: how predictions are scored."""

from __future__ import annotations

import argparse

from segharness.cli.arguments.number_types import positive
from segharness.score import DEFAULT_RESAMPLES, ScoreOptions
from segharness.score.bootstrap import resamples_problem


def add_scoring_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the group `scoring`."""
    group = parser.add_argument_group("scoring")
    group.add_argument(
        "--engine", metavar="NAME", help="engine of the coco evaluation: hotcoco (default) or pycocotools"
    )
    draws = group.add_mutually_exclusive_group()
    draws.add_argument(
        "--bootstrap",
        type=_resamples,
        default=DEFAULT_RESAMPLES,
        metavar="B",
        help=f"number of resamples of the images that intervals are computed from; default {DEFAULT_RESAMPLES}",
    )
    draws.add_argument("--no-bootstrap", action="store_const", dest="bootstrap", const=0, help="compute no intervals")


def _resamples(text: str) -> int:
    count = positive(text)
    if problem := resamples_problem(count):
        raise argparse.ArgumentTypeError(problem)
    return count


def score_options_from(args: argparse.Namespace) -> ScoreOptions:
    """Return the scoring options that the arguments give."""
    return ScoreOptions(args.engine, args.bootstrap)
