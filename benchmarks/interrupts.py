"""Interrupts: one signal ends a run in any phase, in time, with exit code 2 and no process left; it then continues.

    python benchmarks/interrupts.py [--rounds 50] [--seed 0]

Each round starts a run of a model that takes 50 ms an image, on 1 or 2 workers, in the worker's process, inline or under
another interpreter, and sends one SIGTERM or SIGINT at a moment that is drawn within a stratum of the run's time: from
planning to scoring. The run must end within the time of its files in flight, with exit code 2 (0 if it was done already)
and without a process; continued, its results must equal those of an undisturbed run, number for number.
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
from pathlib import Path

from segharness import read_results
from segharness.testing import processes

MODEL = """
import time
import numpy as np
class Slow:
    categories = ["cell"]
    def predict(self, images, prompts=None):
        time.sleep(0.05)
        return [Found(i) for i in images]
class Found:
    def __init__(self, image):
        mask = image[..., 0] > 128
        self.boxes = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
        self.scores, self.labels = np.array([0.5], np.float32), np.array([0])
        self.masks = mask[None]
def build():
    return Slow()
"""

SUITE = """
segharness: 1
name: s
models: [{{id: slow, model: "./slow.py:build"{python}}}]
datasets: [{{dataset: toycells/quick, id: cells, limit: 40}}]
conditions: [clean, fog-1, snow-2, contrast-3]
"""

SECONDS = 15.0
"""A run must end within so many seconds of the signal: one file in flight has 40 images of 50 ms, and the machine may be
busy."""

WAYS = {
    "1 worker": ("--workers", "1"),
    "2 workers": ("--workers", "2"),
    "inline": ("--executor", "inline"),
    "foreign": ("--workers", "1"),
}


def command(folder: Path, way: str, out: Path) -> list[str]:
    """Return the command line of a run."""
    suite = "foreign.yaml" if way == "foreign" else "s.yaml"
    words = ["run", str(folder / suite), "--out", str(out), "--bootstrap", "100", "-qq", *WAYS[way]]
    return [sys.executable, "-m", "segharness", *words]


def numbers(out: Path) -> object:
    """Return the numbers of a run, without what it says of itself."""
    return read_results(out).replace_schema_metadata(None)


def interrupted(folder: Path, way: str, out: Path, delay: float, number: int) -> str:
    """Interrupt a run once and continue it; return what went wrong, or an empty text."""
    environment = {**os.environ, "XDG_CONFIG_HOME": f"{folder}/.config"}  # what `processes` knows ours by
    process = subprocess.Popen(
        command(folder, way, out), cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    time.sleep(delay)
    early = process.poll() is not None
    process.send_signal(number)
    began = time.monotonic()
    try:
        process.communicate(timeout=4 * SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "hangs"
    if (took := time.monotonic() - began) > SECONDS:
        return f"took {took:.0f} s"
    if process.returncode not in ((0,) if early else (0, 2)):
        return f"exit code {process.returncode}"
    time.sleep(0.3)
    if left := processes("segharness", folder):
        return f"left {len(left)} processes"
    done = subprocess.run(command(folder, way, out), cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"continued: exit code {done.returncode}: {done.stderr[-200:]}"


def main() -> int:
    """Print what happened, by way and stratum; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "slow.py").write_text(MODEL)
        (folder / "s.yaml").write_text(SUITE.format(python=""))
        (folder / "foreign.yaml").write_text(SUITE.format(python=f", python: {sys.executable}"))
        expected, lasts = {}, {}
        for way in WAYS:
            began = time.monotonic()
            subprocess.run(command(folder, way, folder / way), cwd=folder, check=True, stdout=subprocess.DEVNULL)
            lasts[way], expected[way] = time.monotonic() - began, numbers(folder / way)
        for round in range(args.rounds):
            way = list(WAYS)[round % len(WAYS)]
            strata = max(1, args.rounds // len(WAYS))
            stratum = round // len(WAYS) % strata
            delay = 0.3 + (lasts[way] - 0.3) * (stratum + draw.random()) / strata
            number = draw.choice([signal.SIGTERM, signal.SIGINT])
            out = folder / f"run-{round}"
            problem = interrupted(folder, way, out, delay, number)
            if not problem and not numbers(out).equals(expected[way]):
                problem = "other numbers"
            counts[way if not problem else f"{way}: WRONG"] += 1
            if problem:
                wrong.append(f"{way}, {signal.Signals(number).name} after {delay:.1f} of {lasts[way]:.1f} s: {problem}")
                print(wrong[-1], flush=True)
    for way, count in sorted(counts.items()):
        print(f"{way:20s} {count}")
    print(f"{args.rounds - len(wrong)} of {args.rounds} ended in time, left nothing and continued to the same numbers")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
