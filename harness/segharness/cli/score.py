"""``segharness score``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from segharness.cli import Exit
from segharness.plugins import PluginArguments, PluginHost
from segharness.report import make_report
from segharness.report.console import show
from segharness.score import score_run
from segharness.store import Lock, RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, e.g. runs/robustness")
    parser.add_argument("--engine", metavar="NAME", help="hotcoco (default) or pycocotools")
    parser.add_argument("-q", "--quiet", action="store_true", help="no table")


def execute(args: argparse.Namespace) -> int:
    folder = RunFolder(args.run)
    given = folder.read_manifest()["plugin_arguments"]
    names = (*given["include"], *args.plugin_names)
    host = PluginHost.load(PluginArguments(names, tuple(given["folders"]), args.strict_plugins))
    host.refuse_conflicts()
    with Lock(folder):
        problems: list[str] = []
        results = score_run(folder, host, args.engine, problems.append)
    for line in dict.fromkeys(problems):
        print(f"FAILED {line}", file=sys.stderr)
    if not args.quiet:
        show(make_report(results), Console())
    return Exit.FAILED if problems else Exit.OK
