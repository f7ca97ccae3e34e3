"""The arguments that ``run`` and ``collect`` share, and the plans that follow from them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from segharness.api import run_folder
from segharness.cli.arguments.number_types import positive
from segharness.cli.output import say
from segharness.errors import SuiteError, UsageError, nearest
from segharness.plugin.host import BESIDE_SUITE, PluginArguments, PluginHost
from segharness.plugin.weights import RANDOM
from segharness.protocols import NamedProtocol, find_protocol
from segharness.store import RunFolder, store_path
from segharness.store.failures import read_failures
from segharness.suite import Overrides, Plan, Variables, load_suite, make_plan
from segharness.suite.find_suites import SuiteArgument, find_suites
from segharness.suite.select import Selection, expression


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select suites and cells, and those that replace parts of a suite."""
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="SUITE",
        help="suite files, folders of them, names of suites that plugins offer, or cells as "
        "SUITE::model::dataset::condition; default suites/",
    )
    select = parser.add_argument_group("selection")
    select.add_argument("-k", default="", metavar="EXPR", help="only cells whose names match, e.g. 'yolo and not fog'")
    select.add_argument("-m", default="", metavar="EXPR", help="only cells whose tags match, e.g. 'blur or noise'")
    select.add_argument(
        "--lf", "--last-failed", action="store_true", help="only cells that failed last time; all cells if none did"
    )
    replace = parser.add_argument_group("replacing parts of a suite")
    replace.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="a value for ${NAME} in the suite"
    )
    metavar = "NAME[,id=ID][,KEY=VALUE...]"
    replace.add_argument(
        "--model", action="append", default=[], metavar=metavar, help="replaces the suite's models; may be repeated"
    )
    replace.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar=metavar,
        help="replaces the suite's data sets; may be repeated",
    )
    replace.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="[GROUP=]ID|RESULTS.arrow[::MODEL]",
        help="replaces the suite's reference model",
    )
    replace.add_argument("--limit", type=positive, metavar="N", help="only the first N images of every data set")
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="a named protocol in place of suites (see `segharness protocols`), with --model",
    )
    parser.add_argument("--out", metavar="DIR", help="run folder, or its URL (s3://bucket/run); default runs/<suite>")


@dataclass(frozen=True)
class PlannedSuite:
    """A plan, the plugins it was made with, its run folder, and what this machine lacks for it."""

    plan: Plan
    host: PluginHost
    folder: RunFolder
    missing: Sequence[str] = ()


def plan_suites(args: argparse.Namespace, *, only_plan: bool = False) -> list[PlannedSuite]:
    """Load and plan every suite that the arguments name; all mistakes are reported before anything runs.

    Args:
        args: the arguments.
        only_plan: as in `load_suite`.

    Raises:
        UsageError: the arguments or a suite are wrong; `problems` lists every mistake.
    """
    for text, flag in ((args.k, "-k"), (args.m, "-m")):
        if text:
            expression(text, flag)
    if args.out == "":
        raise UsageError("--out: give a folder")
    variables = Variables.of_process(parse_variables(args.var))
    overrides = Overrides(args.model, args.dataset, args.reference, args.limit)
    if args.protocol is not None:
        named = _named_protocol(args)
        overrides = named.overrides(args.model)
        suites = [SuiteArgument(named.suite, named.name, ())]
    else:
        suites = find_suites(args.suites, args.host)
    problems: list[str] = []
    planned: list[PlannedSuite] = []
    names: dict[str, str] = {}
    for suite in suites:
        host = PluginHost.load(
            PluginArguments(args.plugin_names, (str(suite.file.parent.absolute()),), args.strict_plugins),
            warn=_warn_local,
        )
        host.check_conflicts()
        try:
            loaded = load_suite(
                suite.file, host, shown=suite.shown, variables=variables, overrides=overrides, only_plan=only_plan
            )
        except SuiteError as error:
            problems += error.problems
            continue
        for note in loaded.notes:
            say(f"note: {note}")
        for model in loaded.suite.models:
            if model.weights == RANDOM:
                say(f"note: model `{model.id}` has RANDOM weights: its numbers mean nothing")
        name = loaded.suite.name
        if name in names:
            problems.append(f"{suite.shown}: has the name `{name}` of {names[name]}; both would write one run folder")
        names[name] = suite.shown
        out = str(store_path(args.out) / name) if args.out and len(suites) > 1 else args.out
        folder = RunFolder(run_folder(loaded.suite, out))
        keys = frozenset(read_failures(folder.failures)) if args.lf else None
        selection = Selection(suite.parts, args.k, args.m, keys or None)
        plan = make_plan(loaded.suite, host, selection)
        problems += _unmatched(suite.parts, plan, suite.shown)
        planned.append(PlannedSuite(plan, host, folder, loaded.missing))
    unused = set(variables.given) - variables.used
    problems += [f"--var {name}: no suite uses it{nearest(name, variables.used)}" for name in sorted(unused)]
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return planned


def _named_protocol(args: argparse.Namespace) -> NamedProtocol:
    """Return the protocol that ``--protocol`` names; nothing else may change what it fixes."""
    named = find_protocol(args.protocol, args.host)
    named.sealed()
    for flag in ("dataset", "reference", "limit"):
        if getattr(args, flag):
            raise UsageError(f"--{flag}: the protocol `{named.name}` fixes that")
    if args.suites:
        raise UsageError(f"--protocol {named.name} takes the place of suites: leave out {args.suites[0]}")
    return named


def _warn_local(line: str) -> None:
    """Print a warning about the plugin module beside a suite; other warnings were printed when the command started."""
    if BESIDE_SUITE in line:
        say(f"warning: {line}")


def _unmatched(parts: tuple[tuple[str, ...], ...], plan: Plan, shown: str) -> list[str]:
    """Return a problem for every part of a suite that names no cell."""
    known = ["::".join(cell.key[:n]) for cell in plan.cells for n in (1, 2, 3)]
    names = ["::".join(part) for part in parts]
    return [f"{shown}::{name}: no such cell{nearest(name, known)}" for name in names if name not in known]


def parse_variables(texts: Sequence[str]) -> dict[str, str]:
    """Return the values of ``--var NAME=VALUE``, by name.

    Raises:
        UsageError: a text is not NAME=VALUE.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--var {text}: write NAME=VALUE")
        values[name] = value
    return values
