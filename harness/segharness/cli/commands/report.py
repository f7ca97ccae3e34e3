"""``segharness report``: the tables of a run, on the screen or as a document."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from segharness.cli.exit_codes import Exit
from segharness.cli.output import say, screen
from segharness.errors import UsageError
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import PublishedSpec, ReporterSpec
from segharness.report import PrintedRows, read_report
from segharness.report.console import show
from segharness.report.documents import document_text, write_documents
from segharness.score.published import read_published
from segharness.suite import VIEWS


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder or a results.arrow, or the URL of one")
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="csv, markdown, latex, svg, or a plugin's format; default tables for the screen",
    )
    for name, description in VIEWS.items():
        parser.add_argument(
            f"--{name}", dest="views", action="append_const", const=name, help=f"also show {description}"
        )
    parser.add_argument(
        "--published",
        action="append",
        nargs="?",
        const="",
        metavar="TABLE",
        help="show printed rows under one's own, with differences where the protocols agree: those of TABLE (`segharness "
        "published` lists them), or all that are on the same data",
    )
    parser.add_argument(
        "--by",
        metavar="FACT",
        help="under every table, also show the means over models that share a fact: normalisation, backbone, epochs ...",
    )
    parser.add_argument(
        "--digits",
        type=int,
        choices=range(7),
        metavar="N",
        help="number of decimals; default 1, or 0 if the interval is too wide for one",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="write to PATH; its ending chooses the format. Some formats write further files beside it, or a folder",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="also print the tracebacks of what plugins raise")


def execute(args: argparse.Namespace) -> int:
    printed = _printed(args.host, args.published) if args.published is not None else ()
    only_fitting = not any(args.published or ())
    report = read_report(args.run, args.views or (), args.digits, printed, only_fitting, args.by)
    if args.published is not None and not any(table.title.startswith("printed: ") for table in report.tables):
        say("note: no printed table is on the same task, conditions and data; --published TABLE shows one all the same")
    if args.format is None and args.output is None:
        show(report, screen())
        return Exit.OK
    spec = _reporter(args.host, args.format, args.output)
    if args.output is None:
        sys.stdout.write(document_text(report, spec))
        return Exit.OK
    written = write_documents(report, spec, args.output)
    if len(written) > 1:
        print(*written, sep="\n", file=sys.stderr)
    return Exit.OK


def _printed(host: PluginHost, names: Sequence[str]) -> list[PrintedRows]:
    """Return the printed tables of these names; of an empty name all that have a task."""
    named = [host.get(name, PublishedSpec) for name in names if name]
    specs = named or [spec for spec in host.all(PublishedSpec) if (spec.task and spec.clean) or spec.measures]
    return [PrintedRows(spec, {row.model: row.values for row in read_published(spec)}) for spec in specs]


def _reporter(host: PluginHost, name: str | None, output: Path | None) -> ReporterSpec:
    if name is not None:
        return host.get(name, ReporterSpec)
    assert output is not None
    for spec in host.all(ReporterSpec):
        if spec.suffix and output.name.endswith(spec.suffix):
            return spec
    endings = ", ".join(f"{s.suffix} ({s.name})" for s in host.all(ReporterSpec) if s.suffix)
    raise UsageError(f"{output}: no format has the ending `{output.suffix}`; there are {endings}, or give --format")
