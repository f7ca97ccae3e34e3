"""``segharness run``: predict, score, and print the tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from segharness.api import finish_run, prepare_run
from segharness.cli.arguments.number_types import natural, positive, seconds
from segharness.cli.arguments.scoring import add_scoring_arguments, score_options_from
from segharness.cli.arguments.selection import add_selection_arguments, plan_suites
from segharness.cli.commands.collect import print_cells
from segharness.cli.exit_codes import Exit
from segharness.cli.output import OutputLostError, ReaderGoneError, say, screen, terminal
from segharness.execution import (
    DEFAULT_GIVE_UP_AFTER,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    ExecutorOptions,
    RunOutcome,
    RunSettings,
)
from segharness.execution.monitor.progress import display
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import ExecutorSpec
from segharness.protocols import check_sealed, find_protocol, seal_of_run
from segharness.report import make_report
from segharness.report.console import show
from segharness.store import manifest_of

if TYPE_CHECKING:
    from segharness.cli.arguments.selection import PlannedSuite
    from segharness.store import StorePath


def configure(parser: argparse.ArgumentParser, host: PluginHost) -> None:
    add_selection_arguments(parser)
    running = parser.add_argument_group("running")
    running.add_argument("--collect-only", "--co", action="store_true", help="print the selected cells and stop")
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
    running.add_argument(
        "--give-up-after",
        type=natural,
        default=DEFAULT_GIVE_UP_AFTER,
        metavar="N",
        help=f"give a model up that fails on each of its first N images; 0 for never; default {DEFAULT_GIVE_UP_AFTER}",
    )
    running.add_argument("--fresh", action="store_true", help="make every selected file again, even if it exists")
    running.add_argument(
        "--workers", type=positive, metavar="N", help="number of worker processes; default one per device, or per core"
    )
    running.add_argument(
        "--devices", default="", metavar="LIST", help="e.g. cuda:0,cuda:1 or cpu; default all there are"
    )
    running.add_argument(
        "--executor", default="local", metavar="NAME", help="local (default), inline, or a plugin's executor"
    )
    running.add_argument(
        "--retries",
        type=natural,
        default=DEFAULT_RETRIES,
        metavar="N",
        help=f"how often a unit is tried again if its worker died; default {DEFAULT_RETRIES}",
    )
    running.add_argument(
        "--timeout",
        type=seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"kill a worker that sends no event for so long, and try its unit again; default {DEFAULT_TIMEOUT:.0f}",
    )
    running.add_argument("--log-file", type=Path, metavar="FILE", help="append the run's events to FILE, as JSON lines")
    for spec in host.all(ExecutorSpec):
        if spec.configure is not None:
            load(spec.configure)(parser.add_argument_group(f"executor {spec.name}"))
    add_scoring_arguments(parser)
    showing = parser.add_argument_group("showing")
    showing.add_argument("--durations", type=positive, default=0, metavar="N", help="print the N slowest cells")
    showing.add_argument("-v", "--verbose", action="count", default=0, help="print a line for every cell")
    showing.add_argument(
        "-q", "--quiet", action="count", default=0, help="print only failures and the table; -qq: no table"
    )


def execute(args: argparse.Namespace) -> int:
    planned_suites = plan_suites(args, only_plan=args.collect_only)
    if args.collect_only:
        return print_cells(planned_suites, args.verbose - args.quiet)
    suites = [planned for planned in planned_suites if planned.plan.selected]
    if not suites:
        say("nothing to run: no cell was selected")
        return Exit.NOTHING
    options = ExecutorOptions(
        workers=args.workers,
        devices=tuple(name for name in args.devices.split(",") if name),
        retries=args.retries,
        timeout=args.timeout,
        arguments=_executor_arguments(args),
    )
    prepared_runs = [
        prepare_run(
            planned.plan,
            planned.host,
            RunSettings(
                planned.folder.path,
                fresh=args.fresh,
                maxfail=args.maxfail,
                log_file=args.log_file,
                executor=args.executor,
                options=options,
                give_up_after=args.give_up_after,
            ),
            score_options_from(args),
        )
        for planned in suites
    ]
    if args.protocol is not None:
        named = find_protocol(args.protocol, args.host)
        for prepared_run in prepared_runs:
            check_sealed(named.name, named.sealed(), seal_of_run(prepared_run.plan.suite, prepared_run.inputs))
    for line in dict.fromkeys(note for prepared_run in prepared_runs for note in prepared_run.notes):
        say(f"note: {line}")
    worst = Exit.OK
    for planned, prepared_run in zip(suites, prepared_runs, strict=True):
        console, errors = screen(), terminal(stderr=True)
        with display(errors, args.verbose - args.quiet) as shown:
            finished = finish_run(prepared_run, planned.host, score_options_from(args), shown)
        outcome = finished.outcome
        if outcome.interrupted:
            command = "the same command without --fresh" if args.fresh else "the same command"
            say(f"interrupted; {command} continues where this one stopped")
            return Exit.INTERRUPTED
        lost = False
        if finished.results is not None and args.quiet < 2:
            try:
                show(make_report(finished.results), console)
                sys.stdout.flush()
            except ReaderGoneError:
                pass  # the results are in their file
            except OutputLostError as error:
                lost = True
                say(f"error: {error}; the results are in {planned.folder.path}")
        for line in dict.fromkeys(outcome.scoring):
            say(f"FAILED {line}")
        if finished.results is not None and args.quiet > 1:  # otherwise they stand under the table
            outcome.notes += [
                f"model `{model}`, data set `{dataset}`: {text}"
                for model, dataset, text in manifest_of(finished.results)["observations"]
            ]
        for line in outcome.notes:
            if line not in prepared_run.notes:  # they were said before the first cell
                say(f"note: {line}")
        _summary(planned, outcome, errors if args.quiet < 2 else None)
        if args.durations:
            _durations(planned, console, args.durations)
        complete = len(outcome.done) == len(planned.plan.selected) and not (outcome.stopped or outcome.scoring or lost)
        worst = max(worst, Exit.OK if complete else Exit.FAILED)
        if outcome.stopped:
            break
    return worst


def _executor_arguments(args: argparse.Namespace) -> dict[str, object]:
    """Return the values of the executor's own arguments: ``--ray-address`` is `address` of the executor `ray`."""
    prefix = f"{args.executor}_"
    return {name.removeprefix(prefix): value for name, value in vars(args).items() if name.startswith(prefix)}


def _summary(planned: PlannedSuite, outcome: RunOutcome, console: Console | None) -> None:
    """Print how many cells are done, failed or not run; on the console if there is one."""
    if outcome.stopped:
        say(f"error: {outcome.stopped}")
    if console is not None:
        count = len(planned.plan.selected)
        failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
        not_run = count - len(outcome.done) - len(outcome.failed)
        failed += f", {not_run} not run" if not_run else ""
        errors = f", {outcome.errors} images failed" if outcome.errors else ""
        console.print(
            f"{len(outcome.done)} of {count} cells done{failed}; {outcome.made} predictions made{errors}, "
            f"{outcome.reused} reused; {planned.folder.results}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _durations(planned: PlannedSuite, console: Console, count: int) -> None:
    """Print the cells in which the model took longest."""
    from segharness.store import IMAGES, read_table

    durations = {}
    for cell in planned.plan.selected:
        folder = planned.folder.shard_files(*cell.key, 0).images.parent
        total = 0.0
        files: list[StorePath] = list(folder.glob("*.arrow"))
        for file in files:
            total += sum(s or 0 for s in read_table(file, IMAGES)[0].column("seconds").to_pylist())
        durations[cell.node_id] = total
    console.print(f"slowest {count} cells (seconds in predict)")
    for node_id, total in sorted(durations.items(), key=lambda pair: -pair[1])[:count]:
        console.print(f"{total:9.2f}  {node_id}", highlight=False, markup=False, soft_wrap=True)
