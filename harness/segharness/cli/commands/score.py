"""``segharness score``: score the stored predictions of a run again."""

from __future__ import annotations

import argparse

from segharness.cli.arguments.scoring import (
    add_scoring_arguments,
    add_source_arguments,
    given_from,
    score_options_from,
)
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, terminal
from segharness.report import make_report
from segharness.report.console import show
from segharness.score import score_run
from segharness.score.data_sources import find_data_sources
from segharness.store import Lock, RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder or URL, e.g. runs/robustness")
    add_source_arguments(parser)
    add_scoring_arguments(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print no table")
    parser.add_argument("-v", "--verbose", action="store_true", help="also print the tracebacks of what plugins raise")


def execute(args: argparse.Namespace) -> int:
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
