"""``segharness schema``."""

from __future__ import annotations

import argparse
import json

from segharness.cli.exit_codes import Exit
from segharness.suite.schema import for_editors


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Editors with the YAML language server complete suites that begin with "
        "`# yaml-language-server: $schema=suite.schema.json` after `segharness schema > suite.schema.json`."
    )


def execute(args: argparse.Namespace) -> int:
    print(json.dumps(for_editors(), indent=2))
    return Exit.OK
