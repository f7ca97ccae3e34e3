"""``segharness run``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from segharness.api import finish_run, prepare_run
from segharness.cli.arguments.numbers import natural, positive, seconds
from segharness.cli.arguments.scoring import add_scoring_arguments, score_options_from
from segharness.cli.arguments.selection import add_selection_arguments, plan_suites
from segharness.cli.commands.collect import print_cells
from segharness.cli.exit_codes import Exit
from segharness.cli.output import screen
from segharness.execution import RETRIES, TIMEOUT, ExecutorOptions, RunOutcome, RunSettings
from segharness.execution.monitor.progress import display
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import ExecutorSpec
from segharness.report import make_report
from segharness.report.console import show

if TYPE_CHECKING:
    from segharness.cli.arguments.selection import PlannedSuite
    from segharness.store import StorePath


def configure(parser: argparse.ArgumentParser, host: PluginHost) -> None:
    add_selection_arguments(parser)
    running = parser.add_argument_group("running")
    running.add_argument("--collect-only", "--co", action="store_true", help="show the cells and stop")
    running.add_argument(
        "-x",
        "--exitfirst",
        dest="maxfail",
        action="store_const",
        const=1,
        default=0,
        help="stop at the first failed cell",
    )
    running.add_argument("--maxfail", type=positive, default=0, metavar="N", help="stop after N failed cells")
    running.add_argument("--fresh", action="store_true", help="make every selected file again")
    running.add_argument(
        "--workers", type=positive, metavar="N", help="worker processes; default one a device, or a core"
    )
    running.add_argument(
        "--devices", default="", metavar="LIST", help="e.g. cuda:0,cuda:1 or cpu; default what there is"
    )
    running.add_argument("--executor", default="local", metavar="NAME", help="local, inline, or a plugin's")
    running.add_argument(
        "--retries",
        type=natural,
        default=RETRIES,
        metavar="N",
        help=f"how often a unit is tried again whose worker died; {RETRIES}",
    )
    running.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"give a unit up that shows no sign for so long; {TIMEOUT:.0f}",
    )
    running.add_argument("--log-file", type=Path, metavar="FILE", help="append the run's events, as JSON lines")
    for spec in host.all(ExecutorSpec):
        if spec.configure is not None:
            load(spec.configure)(parser.add_argument_group(f"executor {spec.name}"))
    add_scoring_arguments(parser)
    showing = parser.add_argument_group("showing")
    showing.add_argument("--durations", type=positive, default=0, metavar="N", help="show the N slowest cells")
    showing.add_argument("-v", "--verbose", action="count", default=0, help="a line for every cell")
    showing.add_argument("-q", "--quiet", action="count", default=0, help="only failures and the table; -qq no table")


def execute(args: argparse.Namespace) -> int:
    chosen = [c for c in plan_suites(args) if c.plan.selected]
    if args.collect_only:
        return print_cells(chosen, args.verbose - args.quiet)
    if not chosen:
        print("nothing to run: no cell was selected", file=sys.stderr)
        return Exit.NOTHING
    options = ExecutorOptions(
        workers=args.workers,
        devices=tuple(name for name in args.devices.split(",") if name),
        retries=args.retries,
        timeout=args.timeout,
        arguments=_executor_arguments(args),
    )
    prepared = [
        prepare_run(
            c.plan,
            c.host,
            RunSettings(
                c.folder.path,
                fresh=args.fresh,
                maxfail=args.maxfail,
                log_file=args.log_file,
                executor=args.executor,
                options=options,
            ),
            score_options_from(args),
        )
        for c in chosen
    ]
    worst = Exit.OK
    for one, ready in zip(chosen, prepared, strict=True):
        console, errors = screen(), Console(stderr=True)
        with display(errors, args.verbose - args.quiet) as shown:
            finished = finish_run(ready, one.host, score_options_from(args), shown)
        outcome = finished.outcome
        if outcome.interrupted:
            again = "the same command without --fresh" if args.fresh else "the same command"
            print(f"interrupted; {again} continues where this one stopped", file=sys.stderr)
            return Exit.INTERRUPTED
        if finished.results is not None and args.quiet < 2:
            show(make_report(finished.results), console)
        for line in dict.fromkeys(outcome.scoring):
            print(f"FAILED {line}", file=sys.stderr)
        _summary(one, outcome, errors if args.quiet < 2 else None)
        if args.durations:
            _durations(one, console, args.durations)
        whole = len(outcome.done) == len(one.plan.selected) and not outcome.stopped and not outcome.scoring
        worst = max(worst, Exit.OK if whole else Exit.FAILED)
        if outcome.stopped:
            break
    return worst


def _executor_arguments(args: argparse.Namespace) -> dict[str, object]:
    """Return the values of the arguments that belong to the executor alone: ``--ray-address`` is `address` of `ray`."""
    prefix = f"{args.executor}_"
    return {name.removeprefix(prefix): value for name, value in vars(args).items() if name.startswith(prefix)}


def _summary(one: PlannedSuite, outcome: RunOutcome, console: Console | None) -> None:
    if outcome.stopped:
        print(f"error: {outcome.stopped}", file=sys.stderr)
    if console is not None:
        count = len(one.plan.selected)
        failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
        rest = count - len(outcome.done) - len(outcome.failed)
        failed += f", {rest} not run" if rest else ""
        console.print(
            f"{len(outcome.done)} of {count} cells done{failed}; {outcome.made} predictions made, "
            f"{outcome.reused} reused; {one.folder.results}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _durations(one: PlannedSuite, console: Console, count: int) -> None:
    """Print the cells in which the model took longest."""
    from segharness.store import IMAGES, read_table

    took = {}
    for cell in one.plan.selected:
        place = one.folder.shard(*cell.key, 0).images.parent
        total = 0.0
        files: list[StorePath] = list(place.glob("*.arrow"))
        for file in files:
            total += sum(s or 0 for s in read_table(file, IMAGES)[0].column("seconds").to_pylist())
        took[cell.node_id] = total
    console.print(f"slowest {count} cells (seconds in predict)")
    for node_id, total in sorted(took.items(), key=lambda pair: -pair[1])[:count]:
        console.print(f"{total:9.2f}  {node_id}", highlight=False, markup=False, soft_wrap=True)
