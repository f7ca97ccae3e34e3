"""``segharness score``: score the stored predictions of a run again, or a file of detections from elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from segharness.api import scored_results
from segharness.cli.arguments.scoring import (
    add_scoring_arguments,
    add_source_arguments,
    given_from,
    score_options_from,
)
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, terminal
from segharness.errors import UsageError
from segharness.report import make_report
from segharness.report.console import show
from segharness.score import score_run
from segharness.score.data_sources import find_data_sources
from segharness.store import Lock, RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run folder or URL, e.g. runs/robustness; or a file of detections, with --annotations",
    )
    of_file = parser.add_argument_group("a file of detections", "as detectron2, mmdet and others write them")
    of_file.add_argument("--annotations", type=Path, metavar="FILE", help="the ground truth that it is scored against")
    of_file.add_argument(
        "--images", type=Path, metavar="DIR", help="the images' folder; only to compare with runs on the same images"
    )
    of_file.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a further option of the data set that reads the ground truth, e.g. maskless=drop; may be repeated",
    )
    of_file.add_argument("--out", metavar="DIR", help="keep predictions and results in this run folder")
    add_source_arguments(parser)
    add_scoring_arguments(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print no table")
    parser.add_argument("-v", "--verbose", action="store_true", help="also print the tracebacks of what plugins raise")


def execute(args: argparse.Namespace) -> int:
    if args.annotations is not None or Path(args.run).is_file():
        return _score_file(args)
    if args.images is not None or args.out is not None or args.option:
        raise UsageError("score: --images, --option and --out are for a file of detections, with --annotations")
    folder = RunFolder.from_text(args.run)
    sources = find_data_sources(folder, args.host, given_from(args))  # before the lock, which would make the folder
    with Lock(folder):
        problems: list[str] = []
        results = score_run(folder, args.host, score_options_from(args), problems.append, sources)
    for line in dict.fromkeys(problems):
        say(f"FAILED {line}")
    if not args.quiet:
        show(make_report(results), terminal())
    return Exit.FAILED if problems else Exit.OK


def _score_file(args: argparse.Namespace) -> int:
    """Score a file of detections against the ground truth that is given."""
    if args.annotations is None:
        raise UsageError(f"{args.run}: is a file, not a run folder; --annotations FILE scores its detections")
    if given := [name for name in ("dataset", "var", "reference") if getattr(args, name)]:
        raise UsageError(f"score: --{given[0]} is for run folders; --annotations says all about the data of a file")
    if wrong := [text for text in args.option if "=" not in text]:
        raise UsageError(f"score: --option {wrong[0]}: write KEY=VALUE")
    options = dict(text.split("=", 1) for text in args.option)
    finished = scored_results(
        args.host, args.run, args.annotations, args.images, options, args.out, score_options_from(args)
    )
    if not args.quiet and finished.results is not None:
        show(make_report(finished.results), terminal())
    for line in finished.outcome.notes:
        say(f"note: {line}")
    for line in dict.fromkeys(finished.outcome.scoring):
        say(f"FAILED {line}")
    return Exit.FAILED if finished.outcome.scoring else Exit.OK
