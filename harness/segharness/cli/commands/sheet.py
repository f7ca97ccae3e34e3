"""``segharness sheet``: images of a data set with and without their ground truth, on one sheet."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segharness.cli.arguments.number_types import positive
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.errors import DataError, ImageError, PluginError, UsageError
from segharness.suite.from_arguments import conditions_from_arguments, dataset_from_argument

if TYPE_CHECKING:
    from segharness.data.open_dataset import OpenDataset
    from segharness.records import Sample

_MAX_WIDTH = 2000
"""Of a picture, in pixels."""
_MAX_PICTURES = 200
_MAX_PIXELS = 100_000_000
"""Of the sheet."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset", metavar="NAME[,KEY=VALUE...]", help="a data set with its options, as for run --dataset"
    )
    parser.add_argument("--count", type=positive, default=12, metavar="N", help="number of images; default 12")
    parser.add_argument("--first", type=positive, default=1, metavar="N", help="start at the Nth image; default 1")
    parser.add_argument(
        "--condition",
        default="clean",
        metavar="NAME",
        help="the condition that the images are shown under; default clean",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the random draws, as in a suite; default 0"
    )
    parser.add_argument("--columns", type=positive, default=6, metavar="N", help="pictures side by side; default 6")
    parser.add_argument(
        "--width", type=positive, default=192, metavar="PIXELS", help="width of each picture; default 192"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.png", help="the sheet")


def execute(args: argparse.Namespace) -> int:
    """Write the sheet; if an image is broken, name it and return exit code 1."""
    entry = dataset_from_argument(args.dataset, args.host)
    last = args.first + args.count - 1
    entry = replace(entry, limit=min(last, entry.limit or last))
    conditions = conditions_from_arguments([args.condition], args.host, "--condition")
    if len(conditions) != 1:
        raise UsageError(f"--condition {args.condition}: is {len(conditions)} conditions; name one, e.g. fog-3")
    if args.width > _MAX_WIDTH or args.count > _MAX_PICTURES:
        raise UsageError(
            f"a sheet has at most {_MAX_PICTURES} pictures (--count), each at most {_MAX_WIDTH} wide (--width)"
        )
    if not args.out.name:
        raise UsageError("-o: give the sheet a name, e.g. sheet.png")
    if args.out.suffix.lower() != ".png":
        raise UsageError(f"-o {args.out}: the sheet is a PNG; name it {args.out.with_suffix('.png')}")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    from segharness.data.open_dataset import open_dataset
    from segharness.export import Picture, overlay_sheet, write_png
    from segharness.images.corrupt import Corruptor
    from segharness.images.decode import decode

    dataset = open_dataset(entry, args.host)
    samples = dataset.samples[args.first - 1 :]
    if not samples:
        raise UsageError(f"--first {args.first}: {entry.dataset} has {len(dataset.samples)} images")
    tallest = max(sample.height * args.width / sample.width for sample in samples)
    if 2 * tallest * args.width * len(samples) > _MAX_PIXELS:
        raise UsageError("the sheet would be too large; give a smaller --count or --width")
    truth = _truth(dataset)
    [condition] = conditions
    corruptor = Corruptor(args.host, {condition.name: condition}, args.seed)

    def pictures() -> Iterator[Picture]:
        for sample in samples:
            pixels = decode(sample)
            if condition.corruption is not None:
                pixels = corruptor(pixels, condition, sample, entry.dataset).pixels
            yield Picture(str(sample), pixels, _masks(truth, sample, entry.id))

    try:
        sheet = overlay_sheet(pictures(), args.columns, args.width)
    except ImageError as error:
        say(f"error: {error}")
        return Exit.FAILED
    try:
        write_png(args.out, sheet)
    except OSError as error:
        raise UsageError(f"-o {args.out}: cannot be written: {error.strerror}") from error
    print(f"{args.out}: {len(samples)} image{'s' if len(samples) > 1 else ''}, {sheet.shape[1]}x{sheet.shape[0]}")
    return Exit.OK


def _truth(dataset: OpenDataset) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    """Return the annotations by image id, for the images that have any."""
    name = dataset.entry.dataset
    try:
        truth = dataset.ground_truth("instances")
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"data set `{name}`: its ground truth: {type(error).__name__}: {error}") from error
    if truth is None:
        raise UsageError(f"data set `{name}` has no ground truth of instances")
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for annotation in truth["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    return by_image


def _masks(truth: Mapping[int, Sequence[Mapping[str, Any]]], sample: Sample, dataset: str) -> list[Any]:
    """Return the masks of an image, including crowds."""
    from segharness.masks import to_pixels

    masks = []
    for annotation in truth.get(sample.image_id, ()):
        try:
            # some annotations have only a box
            shape = annotation.get("segmentation") or [_corners(*annotation["bbox"])]
            masks.append(to_pixels(shape, sample.height, sample.width) > 0)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise DataError(
                f"data set `{dataset}`: annotation {annotation['id']} ({sample}): "
                f"no segmentation that can be drawn: {error}"
            ) from error
    return masks


def _corners(x: float, y: float, width: float, height: float) -> list[float]:
    return [x, y, x + width, y, x + width, y + height, x, y + height]
