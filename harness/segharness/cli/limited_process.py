"""A command that reads what a stranger made does so in a process of its own, with limits on memory, time and files."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segharness.cli.arguments.number_types import positive
from segharness.cli.exit_codes import Exit
from segharness.errors import StoreError, exit_text
from segharness.escaping import visible

__all__ = [
    "Limits",
    "add_limit_arguments",
    "run_limited",
    "words_again",
]

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

_MOST_SAID = 20
"""How many lines of standard error are kept."""


@dataclass(frozen=True)
class Limits:
    """What the process may use: memory in GiB, processor time and time in all in hours."""

    memory: int = MEMORY_GIB
    hours: int = HOURS

    @classmethod
    def of(cls, args: argparse.Namespace) -> Limits:
        """Return the limits that the arguments of `add_limit_arguments` say."""
        return cls(args.memory, args.hours)


def add_limit_arguments(parser: argparse.ArgumentParser, reads: str) -> None:
    """Add ``--memory`` and ``--hours``, and the hidden ``--report-to`` that makes a command do the work itself.

    Args:
        parser: of the command.
        reads: what the process reads, for the help.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_limit_arguments(parser, "the run")
        >>> Limits.of(parser.parse_args(["--memory", "2"]))
        Limits(memory=2, hours=6)
    """
    limits = parser.add_argument_group(f"limits of the process that reads {reads}")
    limits.add_argument(
        "--memory", type=positive, default=MEMORY_GIB, metavar="GIB", help=f"memory; default {MEMORY_GIB} GiB"
    )
    limits.add_argument(
        "--hours", type=positive, default=HOURS, metavar="N", help=f"processor time, and time in all; default {HOURS}"
    )
    parser.add_argument("--report-to", type=Path, help=argparse.SUPPRESS)


def words_again(args: argparse.Namespace, *own: str) -> list[str]:
    """Return a command line for the process that does the work.

    Args:
        args: of this command; the arguments of the top level and those that say where data lie are taken over.
        own: further arguments of the command.

    Example:
        >>> given = argparse.Namespace(plugin_names=("acme",), strict_plugins=False, command="verify", var=["coco=D"])
        >>> words_again(given, "runs/x")
        ['-p', 'acme', 'verify', 'runs/x', '--var', 'coco=D']
    """
    words = [word for name in args.plugin_names for word in ("-p", name)]
    words += ["--strict-plugins"] if args.strict_plugins else []
    words += [args.command, *own]
    for flag in ("dataset", "var", "reference"):
        words += [word for value in getattr(args, flag, ()) for word in (f"--{flag}", value)]
    return words


def run_limited(words: Sequence[str], limits: Limits, scratch: Path | None = None) -> dict[str, Any] | None:
    """Run ``segharness WORDS --report-to FILE`` with limits, and return the JSON object that it writes into the file.

    Args:
        words: the arguments of the command.
        limits: of memory and time.
        scratch: the folder that the file goes to, which the process may use; None for one that is deleted.

    Returns:
        What the process reports; None if it ended with a mistake of the user's (exit code 4), which was printed.

    Raises:
        StoreError: it crashed, or took more than its limits. The message says which.

    Example:
        >>> run_limited(["metrics", "--nonsense"], Limits()) is None
        True
    """
    if scratch is None:
        with tempfile.TemporaryDirectory(prefix="segharness-") as folder:
            return run_limited(words, limits, Path(folder))
    file = scratch / "report.json"
    file.unlink(missing_ok=True)  # of an earlier process in the same folder
    seconds = limits.hours * 3600
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE, *words, "--report-to", str(file)],
            preexec_fn=lambda: _limit(limits.memory << 30, seconds),
            timeout=seconds,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"it took longer than {limits.hours} hours (--hours)") from error
    if done.returncode == Exit.USAGE:
        sys.stderr.write("".join(visible(text) + "\n" for text in done.stderr.splitlines()[-_MOST_SAID:]))
        return None
    try:
        if done.returncode:
            raise ValueError("it did not end well")
        report: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        ended = f"the process that read it ended with {exit_text(done.returncode)}" + (f": {last}" if last else "")
        raise StoreError(
            f"{ended}; its limits are {limits.memory} GiB (--memory) and {limits.hours} hours (--hours)"
        ) from error
    return report


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
