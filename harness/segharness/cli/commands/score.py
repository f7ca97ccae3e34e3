"""``segharness score``: score the stored predictions of a run again."""

from __future__ import annotations

import argparse

from segharness.cli.arguments.scoring import add_scoring_arguments, score_options_from
from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, terminal
from segharness.plugin.host import PluginArguments, PluginHost
from segharness.report import make_report
from segharness.report.console import show
from segharness.score import score_run
from segharness.store import Lock, RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder or URL, e.g. runs/robustness")
    add_scoring_arguments(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print no table")
    parser.add_argument("-v", "--verbose", action="store_true", help="also print the tracebacks of what plugins raise")


def execute(args: argparse.Namespace) -> int:
    folder, host = stored_run(args)
    with Lock(folder):
        problems: list[str] = []
        results = score_run(folder, host, score_options_from(args), problems.append)
    for line in dict.fromkeys(problems):
        say(f"FAILED {line}")
    if not args.quiet:
        show(make_report(results), terminal())
    return Exit.FAILED if problems else Exit.OK


def stored_run(args: argparse.Namespace) -> tuple[RunFolder, PluginHost]:
    """Return the folder of a run, and a host with the plugins of the run and those of the command line.

    Raises:
        StoreError: it is not a run folder.
        PluginError: a plugin cannot be loaded.
    """
    folder = RunFolder.from_text(args.run)
    plugin_arguments = folder.read_manifest()["plugin_arguments"]
    names = (*plugin_arguments["include"], *args.plugin_names)
    host = PluginHost.load(PluginArguments(names, tuple(plugin_arguments["folders"]), args.strict_plugins))
    host.check_conflicts()
    return folder, host
