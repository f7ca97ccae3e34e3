"""``segharness corrupt``: corrupted copies of image files, as PNG files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from segharness.cli.arguments.conditions import add_condition_arguments, conditions_from
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.errors import ImageError, UsageError
from segharness.records import Condition


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files")
    add_condition_arguments(
        parser,
        required=True,
        image_id_help="use the random draws of this image id; further images use the ids that follow",
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="folder for the files IMAGE-CONDITION.png"
    )


def execute(args: argparse.Namespace) -> int:
    """Write ``DIR/<image>-<condition>.png``; a broken image is skipped and makes the exit code 1."""
    conditions = conditions_from(args, args.corruption)
    targets = _targets(args.images, conditions, args.out)
    from segharness.export import read_image, write_png
    from segharness.images.corrupt import Corruptor

    corruptor = Corruptor(args.host, {c.name: c for c in conditions}, args.seed)
    failed = 0
    for image_id, file in enumerate(dict.fromkeys(args.images), args.image_id):
        try:
            sample, pixels = read_image(file, image_id)
        except ImageError as error:
            failed += 1
            say(f"error: {error}")
            continue
        for condition in conditions:
            try:
                corrupted = corruptor(pixels, condition, sample, args.dataset)
            except ImageError as error:
                failed += 1
                say(f"error: {error}")
                continue
            target = targets[file, condition.name]
            try:
                write_png(target, corrupted.pixels)
            except OSError as error:
                raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
            drawn = f"  ({corrupted.drawn.replace(',', ', ')})" if corrupted.drawn else ""
            print(f"{target}{drawn}")
    return Exit.FAILED if failed else Exit.OK


def _targets(images: Sequence[Path], conditions: Sequence[Condition], folder: Path) -> dict[tuple[Path, str], Path]:
    """Return the output file of each image under each condition.

    Raises:
        UsageError: two results would share a file, or one would overwrite an input.
    """
    targets = {(image, c.name): folder / f"{image.stem}-{c.name}.png" for image in images for c in conditions}
    problems = []
    if folder.exists() and not folder.is_dir():
        problems.append(f"-o {folder}: is a file, not a folder")
    stems = [image.stem.lower() for image in dict.fromkeys(images)]
    for stem in sorted({stem for stem in stems if stems.count(stem) > 1}):
        problems.append(f"two images are called `{stem}`: they would go to one file; corrupt them into two folders")
    files = list(targets.values())
    if not problems and len({str(file).lower() for file in files}) < len(files):
        problems.append("two results would go to one file; corrupt these images into two folders")
    inputs = {image.resolve() for image in images}
    for target in targets.values():
        if target.resolve() in inputs:
            problems.append(f"{target}: is an image to corrupt; give -o another folder")
    if problems:
        raise UsageError(problems)
    return targets
