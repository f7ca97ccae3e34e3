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
    skipped: list[tuple[str, str]] = []
    count = export_results(
        folder, args.host, args.output, lambda cell, reason: skipped.append((cell, reason)), given_from(args)
    )
    by_reason: dict[str, list[str]] = {}
    for cell, reason in skipped:
        by_reason.setdefault(reason, []).append(cell)
    for reason, cells in by_reason.items():
        more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        say(f"not written: {cells[0]}{more}: {reason}")
    print(
        f"{args.output}: {count} files; "
        f"to use them as a model: --model coco-results/{args.output}/MODEL/DATASET,id=MODEL"
    )
    return Exit.FAILED if skipped else Exit.OK
