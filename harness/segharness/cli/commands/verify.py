"""``segharness verify``: derive a run's numbers again in a process with limits, and name what does not hold."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from segharness.cli.arguments.scoring import add_source_arguments, given_from
from segharness.cli.exit_codes import Exit
from segharness.cli.limited_process import Limits, add_limit_arguments, run_limited, words_again
from segharness.errors import StoreError
from segharness.escaping import line
from segharness.store import RunFolder

_MOST_SHOWN = 1000
"""How many findings are reported one by one."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Derives every number of results.arrow and resamples.arrow again from the stored predictions and names each that "
        "differs, missing images and cells, and whatever breaks a rule. Writes nothing into the run. Exit code 0 if all "
        "holds, 1 if not, 4 if where the data lie is not known."
    )
    parser.add_argument("run", metavar="RUN", help="a run folder or URL, also one that a stranger made")
    parser.add_argument(
        "--pixels", action="store_true", help="also apply every condition again and compare the digests of the pixels"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    add_source_arguments(parser)
    add_limit_arguments(parser, "the run")


def execute(args: argparse.Namespace) -> int:
    if args.report_to is not None:
        return _verify_here(args)
    words = words_again(args, args.run, *(["--pixels"] if args.pixels else []))
    try:
        report = run_limited(words, Limits.of(args))
    except StoreError as error:
        report = _refused(str(error))
    if report is None:
        return Exit.USAGE
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for finding in report["findings"]:
            print(line(f"{finding['place']}: {finding['problem']}"))
        if report["more"]:
            print(f"... and {report['more']} more")
        print(_summary(args, report))
    return Exit.OK if report["verified"] else Exit.FAILED


def _summary(args: argparse.Namespace, report: dict[str, Any]) -> str:
    count = len(report["findings"]) + report["more"]
    images = f", pixels of {report['images']} images under their conditions" if args.pixels else ""
    verdict = "verified" if report["verified"] else f"NOT verified: {count} finding{'s' if count > 1 else ''}"
    return line(f"{args.run}: {verdict}; {report['numbers']} numbers of {report['cells']} cells derived again{images}")


def _refused(problem: str) -> dict[str, Any]:
    findings = [{"place": "run", "problem": problem}]
    return {"verified": False, "findings": findings, "more": 0, "numbers": 0, "cells": 0, "images": 0}


def _verify_here(args: argparse.Namespace) -> int:
    """Verify in this process, and write the report to the file of ``--report-to``."""
    from segharness.score.verify import Verification, verify

    try:
        found = verify(RunFolder.from_text(args.run), args.host, given_from(args), pixels=args.pixels)
    except MemoryError:
        found = Verification()
        found.add("run", "reading it takes more memory than it may have (--memory)")
    report = {
        "verified": not found.findings,
        "findings": [asdict(finding) for finding in found.findings[:_MOST_SHOWN]],
        "more": max(0, len(found.findings) - _MOST_SHOWN),
        "numbers": found.numbers,
        "cells": found.cells,
        "images": found.images,
    }
    args.report_to.write_text(json.dumps(report))
    return Exit.OK
