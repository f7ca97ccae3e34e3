"""``segharness preview``: one image under many corruptions, on one sheet."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from segharness.cli.arguments.conditions import add_condition_arguments, conditions_from
from segharness.cli.arguments.number_types import positive
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.errors import ImageError, UsageError
from segharness.plugin.specs import CorruptionSpec

_MAX_WIDTH = 2000
"""Of a picture, in pixels."""
_MAX_HEIGHT = 65000
"""Of the sheet, in pixels."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE", help="an image file")
    add_condition_arguments(parser, required=False)
    parser.add_argument(
        "--width", type=positive, default=200, metavar="PIXELS", help="width of each picture; default 200"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.png", help="the sheet")


def execute(args: argparse.Namespace) -> int:
    """Write the sheet; without ``--corruption`` it shows every corruption that belongs to no family."""
    offered = [spec for spec in args.host.all(CorruptionSpec) if "/" not in spec.name and not spec.unavailable]
    names = [spec.name for spec in sorted(offered, key=lambda spec: (spec.category, spec.name))]
    if not args.corruption and not names:
        raise UsageError("no corruption is on offer; install a plugin, e.g. segharness-corruptions")
    conditions = conditions_from(args, args.corruption or names)
    if args.width > _MAX_WIDTH:
        raise UsageError(f"--width {args.width}: pictures are at most {_MAX_WIDTH} pixels wide")
    if not args.out.name:
        raise UsageError("-o: give the sheet a name, e.g. grid.png")
    if args.out.resolve() == args.image.resolve():
        raise UsageError(f"-o {args.out}: is the image itself; give another name")
    if args.out.suffix.lower() != ".png":
        raise UsageError(f"-o {args.out}: the sheet is a PNG; name it {args.out.with_suffix('.png')}")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")  # several corruptions are computed at once
    from segharness.export import contact_sheet, read_image, write_png
    from segharness.images.corrupt import Corruptor

    corruptor = Corruptor(args.host, {c.name: c for c in conditions}, args.seed)
    try:
        sample, pixels = read_image(args.image, args.image_id)
        if sample.height * args.width / sample.width * len(conditions) > _MAX_HEIGHT:
            raise UsageError(
                f"{args.image}: {sample.width}x{sample.height} is too tall for a sheet; give a smaller --width"
            )
        sheet = contact_sheet(
            pixels, conditions, lambda c: corruptor(pixels, c, sample, args.dataset).pixels, args.width
        )
    except ImageError as error:
        say(f"error: {error}")
        return Exit.FAILED
    try:
        write_png(args.out, sheet)
    except OSError as error:
        raise UsageError(f"-o {args.out}: cannot be written: {error.strerror}") from error
    print(
        f"{args.out}: {len(conditions)} picture{'s' if len(conditions) > 1 else ''}, {sheet.shape[1]}x{sheet.shape[0]}"
    )
    return Exit.OK
