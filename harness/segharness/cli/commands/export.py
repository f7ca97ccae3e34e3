"""``segharness export``: a corrupted copy of a data set, in COCO's format."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from segharness.cli.arguments.number_types import positive
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, terminal
from segharness.suite.from_arguments import conditions_from_arguments, dataset_from_argument

_FORMATS = ("png", "webp")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset",
        metavar="NAME[,KEY=VALUE...]",
        help="a data set with its options, as for run --dataset",
    )
    parser.add_argument(
        "--conditions",
        action="append",
        required=True,
        metavar="NAME[,NAME...]",
        help="conditions as in a suite: condition sets, corruptions, mixtures, clean",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the random draws, as in a suite; default 0"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N images")
    parser.add_argument("--format", choices=_FORMATS, default="png", help="image format, both lossless; default png")
    parser.add_argument("--workers", type=positive, metavar="N", help="number of threads; default one per core")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the folder of the copy")


def execute(args: argparse.Namespace) -> int:
    """Make the missing files of the copy; a broken image is skipped and makes the exit code 1."""
    entry = dataset_from_argument(args.dataset, args.host, args.limit)
    conditions = conditions_from_arguments(args.conditions, args.host, "--conditions")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")  # images are corrupted side by side
    from segharness.data.open_dataset import open_dataset
    from segharness.execution.monitor.progress import display
    from segharness.export import Copy, copy_dataset

    copy = Copy(open_dataset(entry, args.host), conditions, args.seed, args.out, args.format)
    try:
        with display(terminal(stderr=True), -1 if args.quiet else 0) as show:
            outcome = copy_dataset(copy, args.host, show, args.workers)
    except KeyboardInterrupt:
        say(f"interrupted: {args.out} keeps the finished images; the same command continues")
        return Exit.INTERRUPTED
    kept = f", {outcome.kept} existed already" if outcome.kept else ""
    print(
        f"{outcome.made} images made{kept}: annotations {args.out / 'annotations.json'}, images {args.out}/<condition>/"
    )
    if outcome.errors:
        say(f"{len(outcome.errors)} failed; the copy is not complete")
        return Exit.FAILED
    return Exit.OK
