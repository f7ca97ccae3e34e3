"""The arguments of commands that score: how predictions are scored, and where the data of a stored run lie."""

from __future__ import annotations

import argparse

from segharness.cli.arguments.number_types import positive
from segharness.cli.arguments.selection import parse_variables
from segharness.score import DEFAULT_RESAMPLES, ScoreOptions
from segharness.score.bootstrap import resamples_problem
from segharness.score.data_sources import GivenPlaces

__all__ = [
    "add_scoring_arguments",
    "add_source_arguments",
    "given_from",
    "score_options_from",
]


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


def add_source_arguments(parser: argparse.ArgumentParser, *, references: bool = True) -> None:
    """Add the arguments that say where the data of a stored run lie; `references` for stored references, too."""
    group = parser.add_argument_group(
        "where data lie", "needed for runs of other machines: what this one has run or found once, it remembers"
    )
    group.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="ID=KEY=VALUE[,KEY=VALUE...]",
        help="the options that open a data set of the run here, e.g. coco=annotations=val.json,images=val; may be repeated",
    )
    group.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="a value for ${NAME} in the run's suite"
    )
    if references:
        group.add_argument(
            "--reference",
            action="append",
            default=[],
            metavar="[GROUP=]RESULTS.arrow[::MODEL]",
            help="where the stored reference of the run lies",
        )


def given_from(args: argparse.Namespace) -> GivenPlaces:
    """Return where the data of a stored run lie, as the arguments say."""
    references = tuple(getattr(args, "reference", ()))
    return GivenPlaces(tuple(args.dataset), references, parse_variables(args.var))


def _resamples(text: str) -> int:
    count = positive(text)
    if problem := resamples_problem(count):
        raise argparse.ArgumentTypeError(problem)
    return count


def score_options_from(args: argparse.Namespace) -> ScoreOptions:
    """Return the scoring options that the arguments give."""
    return ScoreOptions(args.engine, args.bootstrap)
