"""``segharness verify``: derive a run's numbers again in a process with limits, and name what does not hold."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segharness.cli.arguments.number_types import positive
from segharness.cli.arguments.scoring import add_source_arguments, given_from
from segharness.cli.exit_codes import Exit
from segharness.errors import exit_text
from segharness.escaping import line, visible
from segharness.store import RunFolder

MEMORY_GIB, HOURS = 8, 6
"""The defaults of the limits: memory in GiB, processor and wall time in hours."""

_WRITTEN = 256 << 20
"""The largest file that the process may write, in bytes: plugins keep indexes of data sets."""

_CODE = """
import sys
if sys.path[0] == "":  # a module in the folder that one happens to be in is not imported
    del sys.path[0]
from segharness.cli import main
raise SystemExit(main())
"""
"""What the process runs: `segharness`, as the installed command does."""

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
    limits = parser.add_argument_group("limits of the process that reads the run")
    limits.add_argument(
        "--memory", type=positive, default=MEMORY_GIB, metavar="GIB", help=f"memory; default {MEMORY_GIB} GiB"
    )
    limits.add_argument(
        "--hours", type=positive, default=HOURS, metavar="N", help=f"processor time, and time in all; default {HOURS}"
    )
    parser.add_argument("--report-to", type=Path, help=argparse.SUPPRESS)


def execute(args: argparse.Namespace) -> int:
    if args.report_to is not None:
        return _verify_here(args)
    report = _verify_in_child(args)
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


# ------------------------------------------------------------------------------------------------ the two processes


def _verify_in_child(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the report of a process with limits; None if it ended with a mistake of the user's, which it has said."""
    with tempfile.TemporaryDirectory(prefix="segharness-") as folder:
        file = Path(folder, "report.json")
        words = [word for name in args.plugin_names for word in ("-p", name)]
        words += ["--strict-plugins"] if args.strict_plugins else []
        words += ["verify", args.run, "--report-to", str(file), *(["--pixels"] if args.pixels else [])]
        for flag in ("dataset", "var", "reference"):
            words += [word for value in getattr(args, flag) for word in (f"--{flag}", value)]
        seconds = args.hours * 3600
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CODE, *words],
                preexec_fn=lambda: _limit(args.memory << 30, seconds),
                timeout=seconds,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _refused(f"it took longer than {args.hours} hours (--hours)")
        if done.returncode == Exit.USAGE:
            sys.stderr.write("".join(visible(text) + "\n" for text in done.stderr.splitlines()))
            return None
        try:
            report: dict[str, Any] = json.loads(file.read_bytes())
        except (OSError, ValueError):
            last = (done.stderr.strip().splitlines() or [""])[-1]
            ended = f"the process that read it ended with {exit_text(done.returncode)}" + (f": {last}" if last else "")
            return _refused(f"{ended}; its limits are {args.memory} GiB (--memory) and {args.hours} hours (--hours)")
        return report


def _refused(problem: str) -> dict[str, Any]:
    findings = [{"place": "run", "problem": problem}]
    return {"verified": False, "findings": findings, "more": 0, "numbers": 0, "cells": 0, "images": 0}


def _limit(memory: int, seconds: int) -> None:
    """Limit this process: memory and the size of files in bytes, processor time in seconds."""
    import resource

    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, _WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS does not limit memory
            resource.setrlimit(kind, (most, most))


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
