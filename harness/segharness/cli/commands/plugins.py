"""``segharness plugins``: the plugins on this machine, what they offer, and which were left out; the check of one."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from segharness.cli.arguments.selection import parse_variables
from segharness.cli.exit_codes import Exit
from segharness.cli.output import emit, terminal
from segharness.errors import ImageError, UsageError
from segharness.escaping import visible
from segharness.plugin.host import PluginHost


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("check", nargs="*", metavar="check NAME", help="`check NAME` checks all that a plugin offers")
    parser.add_argument("--json", action="store_true", help="print as JSON, with every name that a plugin offers")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also print why plugins were left out, with tracebacks"
    )

    check = parser.add_argument_group("check NAME")
    metavar = "NAME[,KEY=VALUE...]"
    check.add_argument(
        "--model", action="append", default=[], metavar=metavar, help="check this model of the plugin; may be repeated"
    )
    check.add_argument(
        "--dataset", action="append", default=[], metavar=metavar, help="check models on its images and ground truth"
    )
    check.add_argument("--images", type=Path, metavar="DIR", help="check models on these images, too")
    check.add_argument("--all", action="store_true", help="check every model, also of many with one factory")
    check.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="a value for options of data sets"
    )
    check.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the report to FILE")


def execute(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    if args.check:
        return _check(args)
    if args.model or args.dataset or args.images or args.all or args.var or args.output:
        raise UsageError("--model, --dataset, --images, --all, --var and -o are for `segharness plugins check NAME`")
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


def _check(args: argparse.Namespace) -> int:
    """Run ``segharness plugins check NAME``: 0 if nothing is wrong, 1 if something is, 5 if nothing could be checked."""
    from segharness.testing.plugin_checks import CheckArguments, check_plugin
    from segharness.testing.run_checks import SAMPLE

    if len(args.check) != 2 or args.check[0] != "check":
        raise UsageError("write `segharness plugins` or `segharness plugins check NAME`")
    if args.output is not None and not args.output.absolute().parent.is_dir():
        raise UsageError(f"-o {args.output}: there is no folder {args.output.parent}")
    output = args.output.absolute() if args.output is not None else None
    loaded: PluginHost = args.host
    host = PluginHost.load(replace(loaded.arguments, include=(*args.plugin_names, SAMPLE)))
    arguments = CheckArguments(
        args.model, args.dataset, _images(args.images), parse_variables(args.var), args.all, args.plugin_names
    )
    report = check_plugin(host, args.check[1], arguments)
    if args.json:
        parts = [{"kind": p.kind, "name": p.name, "findings": [asdict(f) for f in p.findings]} for p in report.parts]
        text = json.dumps({"plugin": report.plugin.name, "parts": parts}, indent=1)
    else:
        text = "\n".join(visible(line) for line in report.text().split("\n"))
    emit(text + "\n", output)
    if not report.ok:
        return Exit.FAILED
    return Exit.OK if any(part.checked for part in report.parts) else Exit.NOTHING


def _images(folder: Path | None) -> list[Any]:
    """Return the first images of a folder, uint8 RGB (H, W, 3)."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise UsageError(f"--images {folder}: there is no such folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png"))[:8]
    if not files:
        raise UsageError(f"--images {folder}: has no .jpg or .png")
    from segharness.export import read_image

    try:
        return [read_image(file, number)[1] for number, file in enumerate(files, 1)]
    except ImageError as error:
        raise UsageError(f"--images {folder}: {error}") from error
