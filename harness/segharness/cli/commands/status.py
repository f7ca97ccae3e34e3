"""``segharness status``: the progress of a run, read from its files."""

from __future__ import annotations

import argparse
import json

from segharness.cli.exit_codes import Exit
from segharness.cli.output import screen
from segharness.execution.monitor.status import read_status
from segharness.execution.monitor.status_text import summary, workers_table
from segharness.store import RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder or URL, also of a run on another machine")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def execute(args: argparse.Namespace) -> int:
    status = read_status(RunFolder.from_text(args.run))
    if args.json:
        print(json.dumps(status.to_json(), indent=1))
        return Exit.OK
    console = screen()
    for line in summary(status):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if status.workers:
        console.print(workers_table(status))
    return Exit.OK
