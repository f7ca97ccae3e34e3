"""``segharness export-results``: the predictions of a run as COCO result files."""

from __future__ import annotations

import argparse
from pathlib import Path

from segharness.cli.arguments.scoring import add_source_arguments, given_from
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.score.coco_result_files import export_results
from segharness.store import RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder or URL, e.g. runs/robustness")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        required=True,
        help="folder for MODEL/DATASET/CONDITION.segm.json and .bbox.json",
    )
    add_source_arguments(parser, references=False)


def execute(args: argparse.Namespace) -> int:
    folder = RunFolder.from_text(args.run)
    skipped: list[str] = []
    count = export_results(folder, args.host, args.output, skipped.append, given_from(args))
    for line in skipped:
        say(f"not written: {line}")
    print(
        f"{args.output}: {count} files; "
        f"to use them as a model: --model coco-results/{args.output}/MODEL/DATASET,id=MODEL"
    )
    return Exit.FAILED if skipped else Exit.OK
