"""``segharness new plugin NAME``: write a distribution that offers models, data sets and more."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from segharness.cli.exit_codes import Exit
from segharness.cli.output import say
from segharness.errors import UsageError
from segharness.scaffold import PARTS, new_plugin


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["plugin"], metavar="plugin", help="what to write: `plugin`")
    parser.add_argument("name", metavar="NAME", help="of the plugin; its distribution is segharness-NAME")
    for part in PARTS:
        parser.add_argument(f"--{part}", dest="parts", action="append_const", const=part, help=f"with a {part}")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the folder to write; default segharness-NAME")


def execute(args: argparse.Namespace) -> int:
    name = args.name.removeprefix("segharness-")
    folder = args.output or Path(f"segharness-{name}")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"{folder}: there is no folder {folder.parent}")
    try:
        files = new_plugin(name, args.parts or (), folder)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from error
    say(f"wrote {len(files)} files to {folder}/")
    say(f"next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest && segharness plugins check {name}")
    return Exit.OK
