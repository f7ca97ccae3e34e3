"""``segharness suites``: the suites that plugins offer by name, and the text of one."""

from __future__ import annotations

import argparse
import sys

from segharness.cli.commands import list_specs
from segharness.cli.exit_codes import Exit
from segharness.errors import UsageError
from segharness.escaping import visible
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import SuiteSpec


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this suite's file, or list this family's suites")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def execute(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    spec = host.find(args.name, SuiteSpec) if args.name else None
    if spec is None or args.json:
        return list_specs.show(args, (SuiteSpec,))
    try:
        text = spec.path().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"suite `{spec.name}`: its file cannot be read: {error}") from error
    if sys.stdout.isatty():
        text = "".join(f"{visible(line)}\n" for line in text.splitlines())
    sys.stdout.write(text)
    return Exit.OK
