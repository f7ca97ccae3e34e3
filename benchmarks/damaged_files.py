"""Damages the files of a run at random and reads them: each must be refused by name, or read as what it was.

    python benchmarks/damaged_files.py [RUN] [--count 10000] [--seed 0]

RUN is a run folder; a small one is made if none is given. Files are read in child processes with a limit on their memory.
A crash, a hang, an error that is not ours, or a file that is read as something else is printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segharness.errors import StoreError
from segharness.execution.monitor.status import read_status
from segharness.identity import stored_run
from segharness.store import RunFolder, read_results, read_shard
from segharness.store.resamples import read_resamples

MEMORY = 1 << 30
"""How much a child may take beyond what it has when it begins, in bytes."""
SECONDS = 20.0
"""How long the reading of one file may take."""
BATCH = 250
"""How many damages one child reads."""


def damages(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one damage: bits, bytes, a block, an end, a gap, or a number that is too large."""
    kind = rng.choice(["bit", "bit", "byte", "block", "cut", "gap", "insert", "number", "swap"])
    damaged = bytearray(data)
    at = rng.randrange(len(damaged))
    if kind == "bit":
        damaged[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        damaged[at] = rng.randrange(256)
    elif kind == "block":
        size = min(rng.randrange(1, 64), len(damaged) - at)
        damaged[at : at + size] = rng.choice([bytes(size), b"\xff" * size, rng.randbytes(size)])
    elif kind == "cut":
        del damaged[at:]
    elif kind == "gap":
        del damaged[at : at + rng.randrange(1, 64)]
    elif kind == "insert":
        damaged[at:at] = rng.randbytes(rng.randrange(1, 64))
    elif kind == "number":
        at -= at % 8
        damaged[at : at + 8] = rng.choice([2**31 - 1, 2**40, 2**62, -1, -(2**40)]).to_bytes(8, "little", signed=True)
    else:
        other = rng.randrange(len(damaged))
        damaged[at], damaged[other] = damaged[other], damaged[at]
    return bytes(damaged)


def readers(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what reads every kind of file of a run folder, by the file's path in it."""
    run = RunFolder(folder)
    shard = next((folder / "images").rglob("*.arrow")).relative_to(folder / "images")
    model, dataset, condition, name = shard.parts
    files = run.shard_files(model, dataset, condition, int(name[:5]))

    keys = set(run.read_manifest())

    def read_stored() -> Any:
        stored = read_shard(files)
        return stored.predictions, stored.images, stored.identity, stored.inputs

    def read_manifest() -> Any:
        manifest = run.read_manifest()
        return {key: manifest.get(key) for key in keys}, stored_run(manifest, run.manifest).protocol

    def resamples() -> Any:
        """Those of another table are not read at all: comparisons then have no intervals, and say so."""
        return {key: values.tobytes() for key, values in read_resamples(run.results, read_results(run.results)).items()}

    return {
        "manifest.json": read_manifest,
        "results.arrow": lambda: read_results(run.results),
        "resamples.arrow": resamples,
        f"predictions/{shard}": read_stored,
        f"images/{shard}": read_stored,
        "status.json": lambda: read_status(run),
    }


UNCHECKED = {"status.json"}
"""Files without a checksum: no number depends on them, so they may be read as something else."""


def outcomes(folder: Path, jobs: list[tuple[str, int]]) -> Iterator[tuple[str, int, str]]:
    """Damage and read files, one after another; yield file, seed and what happened."""
    read = readers(folder)
    expected = {name: function() for name, function in read.items()}
    for name, seed in jobs:
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(damages(data, random.Random(seed)))
        began = time.monotonic()
        try:
            value = read[name]()
        except StoreError as error:
            said = any(part in str(error) for part in (path.name, "results"))
            outcome = "refused" if said else f"refused without its name: {error}"
        except BaseException as error:  # noqa: BLE001  what is looked for
            outcome = f"{type(error).__name__}: {error}"[:200]
        else:
            same = value == expected[name] or name in UNCHECKED or (name == "resamples.arrow" and not value)
            outcome = "no effect" if same else "READ AS SOMETHING ELSE"
        if time.monotonic() - began > SECONDS:
            outcome = f"took {time.monotonic() - began:.0f} s"
        path.write_bytes(data)
        yield name, seed, outcome


def _child(folder: str, jobs: list[tuple[str, int]], results: Any) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for outcome in outcomes(Path(folder), jobs):
        results.put(outcome)
    results.put(None)


def run_jobs(folder: Path, jobs: list[tuple[str, int]]) -> list[tuple[str, int, str]]:
    """Read damaged files in a child process; what it could not read is a crash or a hang of the next job."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    child = context.Process(target=_child, args=(str(folder), jobs, results), daemon=True)
    child.start()
    done: list[tuple[str, int, str]] = []
    while True:
        try:
            outcome = results.get(timeout=2 * SECONDS)
        except Exception:  # noqa: BLE001  empty: the child is dead or hangs
            child.kill()
            name, seed = jobs[len(done)]
            return [*done, (name, seed, f"CRASH or hang (exit code {child.exitcode})")]
        if outcome is None:
            child.join()
            return done
        done.append(outcome)


def made_run(folder: Path) -> Path:
    """Make a small run."""
    from segharness import run

    suite = folder / "s.yaml"
    suite.write_text(
        "{segharness: 1, models: [sample/finder, sample/blind], reference: sample-finder, datasets: [sample/squares], "
        "conditions: [clean, sample/dim-1, sample/dim-3]}"
    )
    run(suite, out=folder / "run", plugins=["segharness.testing.sample"], workers=1, bootstrap=100)
    return folder / "run"


def main() -> int:
    """Print how often what happened; return 1 if something happened that must not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="a run folder; it is copied")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = made_run(Path(temporary)) if args.run is None else Path(temporary, "copy")
        if args.run is not None:
            shutil.copytree(args.run, folder)
        names = list(readers(folder))
        rng = random.Random(args.seed)
        jobs = [(rng.choice(names), rng.getrandbits(48)) for _ in range(args.count)]
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        wrong = 0
        while jobs:
            done = run_jobs(folder, jobs[:BATCH])
            jobs = jobs[max(1, len(done)) :]
            for name, seed, outcome in done:
                kind = name.split("/")[0]
                good = outcome in ("refused", "no effect")
                counts[kind, outcome if good else "WRONG"] += 1
                if not good:
                    wrong += 1
                    print(f"{name}, seed {seed}: {outcome}")
        for (kind, outcome), count in sorted(counts.items()):
            print(f"{kind:16s} {outcome:10s} {count}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
