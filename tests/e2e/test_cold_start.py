"""Commands as users start them: in a new process, on every core of the machine. Others run in copies of a warm one."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

SUITE = """
segharness: 1
models: [sample/finder, sample/blind]
reference: sample-finder
datasets: [sample/squares]
conditions: [clean, sample/dim-1]
"""


@pytest.fixture
def cold(harness):
    """Runs a command in a new process that may use every core."""
    every = range(os.cpu_count() or 1)

    def run(*arguments):
        return subprocess.run(
            harness.arguments(*arguments),
            cwd=harness.folder,
            env=harness.environment(),
            capture_output=True,
            text=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, every)) if hasattr(os, "sched_setaffinity") else None,
        )

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",), ("--version",), ("suites",), ("models",), ("datasets",), ("corruptions",), ("metrics",), ("plugins",),
        ("schema",), ("explain",), ("published",), ("collect", "robustness"), ("plugins", "check", "published"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_list_imports_what_it_needs(cold, arguments):
    done = cold(*arguments)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_run_from_its_start_to_its_tables(cold, harness):
    harness.write("s.yaml", SUITE)
    done = cold("run", "s.yaml", "--bootstrap", "100", "-p", "segharness.testing.sample", "--log-file", "log")
    assert done.returncode == 0, done.stderr
    for command in (
        ("report", "runs/s"),
        ("verify", "runs/s", "-p", "segharness.testing.sample"),
        ("status", "runs/s"),
    ):
        done = cold(*command)
        assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (harness.folder / "log").read_text().splitlines()]
    assert events
