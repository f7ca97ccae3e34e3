"""``segharness sheet``: images of a data set with and without their ground truth, on one sheet."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from segharness.cli import Exit, positive
from segharness.errors import ImageError, UsageError
from segharness.suite.given import given_conditions, given_dataset

if TYPE_CHECKING:
    from segharness.data import OpenDataset

_WIDEST = 2000
_MOST = 200
_TALLEST = 65000
"""Pixels: of a picture, and of the sheet; pictures."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset", metavar="NAME[,KEY=VALUE...]", help="a data set with its options, as for run --dataset"
    )
    parser.add_argument("--count", type=positive, default=12, metavar="N", help="so many images; default 12")
    parser.add_argument("--first", type=positive, default=1, metavar="N", help="begin with the Nth; default 1")
    parser.add_argument("--condition", default="clean", metavar="NAME", help="what is done to them; default clean")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the corruption, the suite's; default 0")
    parser.add_argument("--columns", type=positive, default=6, metavar="N", help="side by side; default 6")
    parser.add_argument("--width", type=positive, default=192, metavar="PIXELS", help="of each picture; default 192")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.png", help="the sheet")


def execute(args: argparse.Namespace) -> int:
    """Write the sheet; a broken image is named, exit code 1."""
    entry = given_dataset(args.dataset, args.host)
    last = args.first + args.count - 1
    entry = replace(entry, limit=min(last, entry.limit or last))
    conditions = given_conditions([args.condition], args.host, "--condition")
    if len(conditions) != 1:
        raise UsageError(f"--condition {args.condition}: is {len(conditions)} conditions; name one, e.g. fog-3")
    if args.width > _WIDEST or args.count > _MOST:
        raise UsageError(f"a sheet has at most {_MOST} pictures (--count), each at most {_WIDEST} wide (--width)")
    if not args.out.name:
        raise UsageError("-o: give the sheet a name, e.g. sheet.png")
    if args.out.suffix.lower() != ".png":
        raise UsageError(f"-o {args.out}: the sheet is a PNG; name it {args.out.with_suffix('.png')}")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    from segharness.data import open_dataset
    from segharness.export import Picture, overlay_sheet, write_png
    from segharness.runner.image import Corruptor, decode

    dataset = open_dataset(entry, args.host)
    samples = dataset.samples[args.first - 1 :]
    if not samples:
        raise UsageError(f"--first {args.first}: {entry.dataset} has {len(dataset.samples)} images")
    tallest = max(sample.height * args.width / sample.width for sample in samples)
    if 2 * (tallest + 20) * -(-len(samples) // args.columns) > _TALLEST:
        raise UsageError("the sheet would be too tall; give more --columns, or a smaller --count or --width")
    masks = _masks(dataset, {sample.image_id: (sample.height, sample.width) for sample in samples})
    [condition] = conditions
    corruptor = Corruptor(args.host, {condition.name: condition}, args.seed)
    pictures = []
    try:
        for sample in samples:
            pixels = decode(sample)
            if condition.corruption is not None:
                pixels = corruptor(pixels, condition, sample, entry.dataset).pixels
            pictures.append(Picture(str(sample), pixels, masks[sample.image_id]))
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return Exit.FAILED
    sheet = overlay_sheet(pictures, args.columns, args.width)
    try:
        write_png(args.out, sheet)
    except OSError as error:
        raise UsageError(f"-o {args.out}: cannot be written: {error.strerror}") from error
    print(f"{args.out}: {len(pictures)} image{'s' if len(pictures) > 1 else ''}, {sheet.shape[1]}x{sheet.shape[0]}")
    return Exit.OK


def _masks(dataset: OpenDataset, sizes: Mapping[int, tuple[int, int]]) -> dict[int, list[object]]:
    """Return the masks of the images whose sizes are given, crowds among them."""
    from segharness.rle import decoded

    truth = dataset.ground_truth("instances")
    if truth is None:
        raise UsageError(f"data set `{dataset.entry.dataset}` has no ground truth of instances")
    found: dict[int, list[object]] = {image_id: [] for image_id in sizes}
    for annotation in truth["annotations"]:
        if (image_id := annotation["image_id"]) in sizes:
            found[image_id].append(decoded(annotation["segmentation"], *sizes[image_id]) > 0)
    return found
