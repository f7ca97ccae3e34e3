"""``segharness submit``: pack a run into a bundle, and check a bundle as a board does."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segharness import PluginHost, StoreError, UsageError
from segharness.cli.arguments.scoring import (
    add_scoring_arguments,
    add_source_arguments,
    given_from,
    score_options_from,
)
from segharness.cli.exit_codes import Exit
from segharness.cli.limited_process import Limits, add_limit_arguments, run_limited, words_again
from segharness.escaping import line
from segharness.protocols import find_protocol
from segharness.score import BrokenRule
from segharness.store import RunFolder

from segharness_leaderboard.bundle.bundle import BUNDLE
from segharness_leaderboard.submit.card_arguments import add_card_arguments, card_from
from segharness_leaderboard.submit.check import Checked, check_bundle, headline
from segharness_leaderboard.submit.coco_folder import is_results_folder, run_of_results
from segharness_leaderboard.submit.copies import Likeness, compare_bundles
from segharness_leaderboard.submit.pack import PackedBundle, check_target, pack
from segharness_leaderboard.submit.terms import terms

_MOST_SHOWN = 1000
"""How many findings are reported one by one."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the three subcommands."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    packing = commands.add_parser("pack", help="make a bundle of a run, or of COCO result files")
    packing.add_argument("run", metavar="RUN", help="a run folder, or a folder of COCO result files (with --protocol)")
    packing.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE", help="the folder to write")
    packing.add_argument("--model", metavar="ID", help="the model, if the run has several; the id, for result files")
    packing.add_argument("--protocol", metavar="NAME", help="the protocol; default the one that the run was made under")
    add_card_arguments(packing)
    add_source_arguments(packing)
    checking = commands.add_parser(
        "check",
        help="check a bundle as a board does, and recompute its numbers",
        description="Derives every number from the predictions on this machine's ground truth, makes every image under "
        "every condition again and compares digests. Nothing that a bundle names is loaded, fetched or followed. Exit code "
        "0 if it is accepted (tier 2), 1 if not, 4 if it cannot be decided here.",
    )
    checking.add_argument("bundle", metavar="BUNDLE", help="a folder that `segharness submit pack` wrote")
    checking.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="BUNDLE",
        help="another bundle under the same protocol: say whether this one was copied from it; may be repeated",
    )
    checking.add_argument(
        "--protocol",
        metavar="NAME",
        help="hold it to this protocol, or its folder; default the one that it names by id",
    )
    checking.add_argument("-o", "--output", type=Path, metavar="FILE.arrow", help="write the recomputed results")
    checking.add_argument("--json", action="store_true", help="print as JSON")
    add_source_arguments(checking, references=False)
    add_scoring_arguments(checking)
    add_limit_arguments(checking, "the bundle")
    commands.add_parser("terms", help="print the terms that a submitter agrees to")


def execute(args: argparse.Namespace) -> int:
    """Run the subcommand."""
    if args.action == "terms":
        print(terms(), end="")
        return Exit.OK
    if args.action == "pack":
        return _pack(args)
    return _check_here(args) if args.report_to is not None else _check(args)


# ------------------------------------------------------------------------------------------------------------- pack


def _pack(args: argparse.Namespace) -> int:
    host: PluginHost = args.host
    given = given_from(args)
    check_target(args.output)
    if is_results_folder(Path(args.run)):
        if args.protocol is None or args.model is None:
            raise UsageError(
                f"{args.run}: of result files, say --protocol NAME and --model ID, a short name of the model"
            )
        named = find_protocol(args.protocol, host)
        named.sealed()
        card = card_from(args)
        with tempfile.TemporaryDirectory(prefix="segharness-") as scratch:
            folder = run_of_results(
                Path(args.run), named, host, Path(scratch, "run"), args.model, given.variables, args.plugin_names
            )
            packed = pack(folder, host, args.output, card, model=args.model, name=args.protocol, given=given)
    else:
        if Path(args.run, BUNDLE).is_file():
            raise UsageError(f"{args.run}: is a bundle already; pack the run that it was made of")
        folder = RunFolder.from_text(args.run)
        folder.read_manifest()  # says what is wrong before the first question
        named_by = {"model": args.model, "name": args.protocol, "given": given, "wheel": args.plugin}
        packed = pack(folder, host, args.output, card_from(args), **named_by)
    _say_packed(packed)
    return Exit.OK


def _say_packed(packed: PackedBundle) -> None:
    bundle = packed.bundle
    size = sum(file.size for file in bundle.files)
    print(f"{packed.folder}: {len(bundle.files)} files, {size / 1e6:.1f} MB, under {bundle.protocol['name']}")
    print(f"root {bundle.root}")
    for note in packed.notes:
        print(line(f"note: tier 2 at most: {note}"))
    print(f"check it as a board does: segharness submit check {packed.folder}")


# ------------------------------------------------------------------------------------------------------------ check


def _check(args: argparse.Namespace) -> int:
    own = ["check", args.bundle, "--bootstrap", str(args.bootstrap)] if args.bootstrap else ["check", args.bundle]
    own += [] if args.bootstrap else ["--no-bootstrap"]
    own += ["--engine", args.engine] if args.engine else []
    own += ["--protocol", args.protocol] if args.protocol else []
    own += [word for other in args.against for word in ("--against", other)]
    with tempfile.TemporaryDirectory(prefix="segharness-") as scratch:
        try:
            report = run_limited(words_again(args, *own), Limits.of(args), Path(scratch))
        except StoreError as error:
            report = {"accepted": False, "findings": [asdict(BrokenRule("bundle", None, str(error)))], "more": 0}
        if report is None:
            return Exit.USAGE
        made = Path(scratch, "bundle/run/results.arrow")
        if args.output is not None and report["accepted"]:
            shutil.copyfile(made, args.output)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        _say_checked(args.bundle, report)
    return Exit.OK if report["accepted"] else Exit.FAILED


def _say_checked(name: str, report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        row = f", row {finding['row']}" if finding["row"] is not None else ""
        print(line(f"{finding['file']}{row}: {finding['rule']}"))
    if report["more"]:
        print(f"... and {report['more']} more")
    for note in report.get("notes", ()):
        print(line(f"note: {note}"))
    if not report["accepted"]:
        count = len(report["findings"]) + report["more"]
        print(line(f"{name}: NOT accepted: {count} finding{'s' if count > 1 else ''}"))
        return
    for row in report["numbers"]:
        value = "null" if row["value"] is None else f"{100 * row['value']:.1f}"
        low, high = row["ci_low"], row["ci_high"]
        interval = f" [{100 * low:.1f}, {100 * high:.1f}]" if low is not None else ""
        why = f" ({row['reason']})" if row["value"] is None else ""
        print(
            line(
                f"  {row['task']:5} {row['metric']:7} {value:>6}{interval:16} {row['dataset']}, {row['condition']}{why}"
            )
        )
    pixels = f"the pixels of {report['images']} images under their conditions made again"
    pixels = pixels if report["images"] else "what pixels the model saw is not known"
    proof = "It does not prove that the model made the predictions"
    print(line(f"{name}: accepted, tier 2: recomputed under {report['protocol']}; {pixels}. {proof}"))
    print(f"root {report['root']}")


def _likeness(args: argparse.Namespace, checked: Checked, other: Path, number: int) -> Likeness:
    """Return how far a checked bundle agrees with another; what is wrong with that one is no fault of the first."""
    if not checked.accepted:
        return Likeness(problem="was not compared")
    place: Path = args.report_to.parent / f"other-{number}"
    try:
        compared = check_bundle(other, args.host, place, given_from(args), protocol=args.protocol, scored=False)
        return compare_bundles(checked, compared)
    except UsageError as error:
        return Likeness(problem=f"was not compared: {error}")
    except MemoryError:
        return Likeness(problem="was not compared: reading it takes more memory than it may have (--memory)")


def _check_here(args: argparse.Namespace) -> int:
    """Check in this process, and write the report to the file of ``--report-to``."""
    scratch: Path = args.report_to.parent
    others: list[tuple[str, Likeness]] = []
    try:
        given, protocol = given_from(args), args.protocol
        options = score_options_from(args)
        checked = check_bundle(Path(args.bundle), args.host, scratch / "bundle", given, options, protocol=protocol)
        others = [(other, _likeness(args, checked, Path(other), number)) for number, other in enumerate(args.against)]
    except MemoryError:
        rule = "reading it takes more memory than it may have (--memory)"
        checked = Checked([BrokenRule("bundle", None, rule)])
    for name, likeness in others:
        if likeness.problem is not None:
            checked.notes.append(f"{name}: {likeness.problem}")
        elif likeness.is_copy:
            checked.notes.append(f"FLAGGED for moderation: {likeness.text(name)}")
    report = {
        "accepted": checked.accepted,
        "findings": [asdict(finding) for finding in checked.findings[:_MOST_SHOWN]],
        "more": max(0, len(checked.findings) - _MOST_SHOWN),
        "notes": checked.notes,
        "against": [{"bundle": name, **asdict(likeness), "is_copy": likeness.is_copy} for name, likeness in others],
        "root": checked.bundle.root if checked.bundle is not None else None,
        "protocol": checked.protocol,
        "model": dict(checked.bundle.model) if checked.bundle is not None else None,
        "card": checked.bundle.card.to_json() if checked.bundle is not None else None,
        "tier": 2 if checked.accepted else None,
        "numbers": headline(checked),
        "images": checked.images,
    }
    args.report_to.write_text(json.dumps(report))
    return Exit.OK
