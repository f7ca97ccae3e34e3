"""``segharness export-results``: the predictions of a run as COCO result files."""

from __future__ import annotations

import argparse
from pathlib import Path

from segharness.cli.commands.score import stored_run
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.score.coco_result_files import export_results


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


def execute(args: argparse.Namespace) -> int:
    folder, host = stored_run(args)
    skipped: list[str] = []
    count = export_results(folder, host, args.output, skipped.append)
    for line in skipped:
        say(f"not written: {line}")
    print(
        f"{args.output}: {count} files; "
        f"to use them as a model: --model coco-results/{args.output}/MODEL/DATASET,id=MODEL"
    )
    return Exit.FAILED if skipped else Exit.OK
