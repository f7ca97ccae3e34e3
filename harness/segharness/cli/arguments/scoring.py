"""The arguments that ``run`` and ``score`` share: how predictions become numbers."""

from __future__ import annotations

import argparse

from segharness.cli.arguments.numbers import positive
from segharness.score import BOOTSTRAP, ScoreOptions
from segharness.score.resample import FEWEST, MOST


def add_scoring_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scoring")
    group.add_argument("--engine", metavar="NAME", help="of the coco evaluation: hotcoco (default) or pycocotools")
    draws = group.add_mutually_exclusive_group()
    draws.add_argument(
        "--bootstrap",
        type=_enough,
        default=BOOTSTRAP,
        metavar="B",
        help=f"how many resamples of the images intervals are taken from (default {BOOTSTRAP})",
    )
    draws.add_argument("--no-bootstrap", action="store_const", dest="bootstrap", const=0, help="no intervals")


def _enough(text: str) -> int:
    found = positive(text)
    if found < FEWEST:
        raise argparse.ArgumentTypeError(f"{found} resamples are too few for an interval; give at least {FEWEST}")
    if found > MOST:
        raise argparse.ArgumentTypeError(f"{found} resamples are more than memory is kept for; give at most {MOST}")
    return found


def score_options_from(args: argparse.Namespace) -> ScoreOptions:
    """Return what the arguments say."""
    return ScoreOptions(args.engine, args.bootstrap)
