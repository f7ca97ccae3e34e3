"""``segharness schema``: what suite files and the files of a run are, for machines."""

from __future__ import annotations

import argparse
import json

from segharness.cli.exit_codes import Exit

FILES = ("suite", "results", "resamples", "manifest", "predictions", "images")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", choices=FILES, default="suite", metavar="FILE", help=f"{', '.join(FILES)}; default suite"
    )
    parser.epilog = (
        "Suites and manifests are described by JSON Schema, Arrow files by their columns, and their metadata by JSON "
        "Schema; docs/format.md explains them. To have suites completed by an editor with the YAML language server, "
        "write `segharness schema > suite.schema.json` and begin suites with "
        "`# yaml-language-server: $schema=suite.schema.json`."
    )


def execute(args: argparse.Namespace) -> int:
    if args.file == "suite":
        from segharness.suite.schema import for_editors

        print(json.dumps(for_editors(), indent=2))
        return Exit.OK
    from segharness.store.format import SCHEMAS

    print(json.dumps(SCHEMAS[args.file](), indent=2))
    return Exit.OK
