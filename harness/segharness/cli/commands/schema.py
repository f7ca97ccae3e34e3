"""``segharness schema``: the JSON Schema of suite files."""

from __future__ import annotations

import argparse
import json

from segharness.cli.exit_codes import Exit
from segharness.suite.schema import for_editors


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "To have suites completed by an editor with the YAML language server, write `segharness schema > "
        "suite.schema.json` and begin suites with `# yaml-language-server: $schema=suite.schema.json`."
    )


def execute(args: argparse.Namespace) -> int:
    print(json.dumps(for_editors(), indent=2))
    return Exit.OK
