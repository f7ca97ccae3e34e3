"""Runs ``segharness`` as a user would: in a process and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

import pyarrow as pa

from segharness.store import read_results


@dataclass(frozen=True)
class CommandResult:
    """What a command returned and printed.

    Attributes:
        code: the exit code.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
    """

    code: int
    out: str
    err: str


class CommandLine:
    """A folder for suites and models, and the command line to run in it.

    Args:
        folder: where commands run.
        python: the interpreter that runs segharness.

    Example::

        result = harness("run", "suite.yaml")
        assert result.code == 0, result.err
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder, self._python = folder, python

    def write(self, name: str, text: str) -> Path:
        """Write a text file, dedented, into the folder and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        if path.suffix == ".py":  # Python runs old bytecode if the text has the same size and second
            Path(cache_from_source(path)).unlink(missing_ok=True)
        return path

    def arguments(self, *arguments: str) -> list[str]:
        """Return ``segharness ARGUMENTS`` as a list for `subprocess`."""
        return [self._python, "-m", "segharness", *arguments]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables of commands: 200 columns, no colours, nothing of the user's own folders."""
        private = {"XDG_CONFIG_HOME": str(self.folder / ".config"), "XDG_CACHE_HOME": str(self.folder / ".cache")}
        private |= {} if os.environ.get("XDG_STATE_HOME") else {"XDG_STATE_HOME": str(self.folder / ".state")}
        return {**os.environ, **private, "COLUMNS": "200", "NO_COLOR": "1", **(extra or {})}

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> CommandResult:
        """Run ``segharness ARGUMENTS`` to its end.

        Args:
            arguments: of the command line.
            env: further environment variables.
            timeout: in seconds.

        Raises:
            subprocess.TimeoutExpired: it took longer than `timeout`.
        """
        done = subprocess.run(
            self.arguments(*arguments),
            cwd=self.folder,
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``segharness ARGUMENTS`` and return the process, for tests that interfere with it."""
        return subprocess.Popen(
            self.arguments(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def results(self, run: str) -> pa.Table:
        """Return the results table of ``runs/<run>``."""
        return read_results(self.folder / "runs" / run / "results.arrow")
