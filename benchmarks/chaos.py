"""Chaos: workers and scheduler of a run are killed at random; its results must be those of an undisturbed run.

    python benchmarks/chaos.py [--rounds 20] [--seed 0]

Each round runs the toy problem under 17 conditions with two classical segmenters. At random moments it kills a random
worker or the scheduler (SIGKILL), or interrupts the scheduler (SIGINT), and starts the run again, until the run ends by
itself. Then results.arrow must equal that of the undisturbed run, number for number; if not, the script fails.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from segharness import read_results
from segharness.testing import wait_for, workers_of

SUITE = Path(__file__).resolve().parents[1] / "suites/robustness.yaml"

ARGUMENTS = (
    "--model", "toycells/threshold", "--model", "toycells/watershed", "--reference", "toycells-threshold",
    "--dataset", "toycells/test,id=cells", "--retries", "20", "-qq",
)  # fmt: skip


@dataclass
class Round:
    """The events of a round.

    Attributes:
        killed: how often each kind of process was killed or interrupted.
        starts: how often the command was started.
    """

    killed: Counter[str] = field(default_factory=Counter)
    starts: int = 0


def command(out: Path, images: int, workers: int) -> list[str]:
    """Return the command line of a run into the folder `out`."""
    run = [sys.executable, "-m", "segharness", "run", str(SUITE), *ARGUMENTS, "--limit", str(images)]
    return [*run, "--workers", str(workers), "--out", str(out)]


def undisturbed(folder: Path, images: int) -> object:
    """Return the results of a run without disturbances."""
    subprocess.run(command(folder / "undisturbed", images, 2), check=True, stdout=subprocess.DEVNULL)
    return read_results(folder / "undisturbed")


def disturb(out: Path, images: int, draw: random.Random, most: int = 12) -> Round:
    """Start a run again and again, with at most `most` disturbances, until it ends by itself with exit code 0."""
    happened = Round()
    while True:
        happened.starts += 1
        workers = draw.choice((1, 2, 3))
        run = subprocess.Popen(
            command(out, images, workers), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        alive = True
        while alive and happened.killed.total() < most:
            try:
                run.wait(draw.uniform(0.3, 3.0))
                break
            except subprocess.TimeoutExpired:
                alive = _strike(run, draw, happened)
        _, messages = run.communicate()
        if run.returncode == 0:
            return happened
        if run.returncode not in (2, -signal.SIGKILL):
            raise SystemExit(f"the run ended with {run.returncode}: {messages}")
        wait_for(lambda pid=run.pid: not workers_of(pid))


def _strike(run: subprocess.Popen[str], draw: random.Random, happened: Round) -> bool:
    """Kill a process, and return whether the scheduler still runs."""
    victim = draw.choices(("worker", "scheduler", "interrupt"), (6, 2, 1))[0]
    if victim == "worker":
        if workers := workers_of(run.pid):
            happened.killed[victim] += 1
            try:
                os.kill(draw.choice(workers), signal.SIGKILL)
            except ProcessLookupError:
                return True
        return True
    happened.killed[victim] += 1
    run.send_signal(signal.SIGKILL if victim == "scheduler" else signal.SIGINT)
    return False


def main() -> None:
    """Run the rounds and compare their results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = undisturbed(folder, args.images)
        for index in range(args.rounds):
            began = time.monotonic()
            happened = disturb(folder / f"round-{index}", args.images, draw)
            same = read_results(folder / f"round-{index}").equals(expected)
            killed = ", ".join(f"{count} {victim}" for victim, count in sorted(happened.killed.items()))
            print(
                f"round {index + 1}: {killed}; {happened.starts} starts, {time.monotonic() - began:.0f} s: "
                f"{'the same results' if same else 'OTHER RESULTS'}",
                flush=True,
            )
            if not same:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
