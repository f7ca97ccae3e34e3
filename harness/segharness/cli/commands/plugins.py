"""``segharness plugins``: the plugins on this machine, what they offer, and which were left out."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.cli.exit_codes import Exit
from segharness.cli.output import terminal
from segharness.plugin.host import PluginHost


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON, with every name that a plugin offers")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also print why plugins were left out, with tracebacks"
    )


def execute(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    if args.json:
        print(json.dumps({"plugins": [asdict(p) for p in host.plugins], "conflicts": host.conflicts}, indent=1))
        return Exit.OK
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("plugin", "distribution", "version", "needs segharness", "state", "offers"):
        table.add_column(heading, overflow="fold")
    for plugin in host.plugins:
        state = (
            Text("left out: " + plugin.quarantined, style="red") if plugin.quarantined else Text("ok", style="green")
        )
        counts = Counter(kind for kind, _ in plugin.offers)
        offers = ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in counts.items())
        table.add_row(Text(plugin.name), Text(plugin.distribution), plugin.version, Text(plugin.needs), state, offers)
    console = terminal()
    console.print(table)
    for plugin in host.plugins:
        for line in plugin.deprecated:
            console.print(f"{plugin.name}: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for conflict in host.conflicts:
        console.print(f"conflict: {conflict}", style="red", markup=False, highlight=False, soft_wrap=True)
    if args.verbose:
        for plugin in host.plugins:
            if plugin.detail:
                console.print(f"{plugin.name}:\n{plugin.detail}", markup=False, highlight=False)
    return Exit.OK
