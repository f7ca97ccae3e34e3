"""The cost of the harness: ``segharness run suites/coco_yolo.yaml`` against a plain loop over the same functions.

    python benchmarks/overhead.py --coco DIR --models DIR [--limit N] [--repeats N]

The loop decodes, corrupts, predicts, checks and encodes in one process and one thread, and writes nothing. Both are
timed as whole processes, in turn: first on one core each (the harness's cost), then on all cores (the gain by overlap).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = Path(__file__).resolve().parents[1] / "suites/coco_yolo.yaml"

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""With one core, both run on one thread; with all cores, the loop uses its libraries' own threads."""


def main() -> None:
    """Print the medians of loop and harness, on one core and on all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loop", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.loop:
        return loop(args)
    cores = sorted(os.sched_getaffinity(0))
    options = ["--coco", str(args.coco), "--models", str(args.models), "--limit", str(args.limit)]
    plain = [sys.executable, __file__, *options, "--loop"]
    with tempfile.TemporaryDirectory() as folder:
        harness = [
            sys.executable, "-m", "segharness", "run", str(SUITE), "--out", f"{folder}/run", "-qq",
            "--var", f"coco={args.coco}", "--var", f"models={args.models}", "--limit", str(args.limit),
        ]  # fmt: skip
        print(
            f"{args.limit} images, 2 networks, 17 conditions; medians of {args.repeats} runs in turn, whole processes"
        )
        for label, allowed, workers in (("1 core, 1 worker", cores[:1], 1), (f"{len(cores)} cores", cores, len(cores))):
            seconds: dict[str, list[float]] = {"loop": [], "harness": []}
            for _ in range(args.repeats):
                seconds["loop"].append(timed(plain, allowed[:1] if workers == 1 else allowed))
                shutil.rmtree(f"{folder}/run", ignore_errors=True)
                seconds["harness"].append(timed([*harness, "--workers", str(workers)], allowed))
            ratio = statistics.median(h / p for h, p in zip(seconds["harness"], seconds["loop"], strict=True))
            medians = {name: statistics.median(times) for name, times in seconds.items()}
            print(
                f"{label:18s} loop {medians['loop']:7.1f} s   harness {medians['harness']:7.1f} s   ratio {ratio:.3f}"
            )
    return None


def timed(command: list[str], cores: list[int]) -> float:
    """Run a command on some cores and return its seconds."""
    began = time.perf_counter()
    environment = {**os.environ, **(dict.fromkeys(THREADS, "1") if len(cores) == 1 else {})}
    subprocess.run(
        command,
        check=True,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return time.perf_counter() - began


def loop(args: argparse.Namespace) -> None:
    """Do the same work without the harness: one process, one thread, nothing written."""
    from segharness.data.open_dataset import open_dataset
    from segharness.digests import pixel_digest
    from segharness.images.corrupt import Corruptor
    from segharness.images.decode import decode
    from segharness.model.labels import Labels
    from segharness.model.load import load_model
    from segharness.model.outputs import validate_instances
    from segharness.model.resolve import resolve_weights
    from segharness.plugin.host import PluginHost
    from segharness.suite import Overrides, Variables, load_suite

    host = PluginHost.load()
    variables = Variables({"coco": str(args.coco), "models": str(args.models)})
    suite = load_suite(SUITE, host, variables=variables, overrides=Overrides(limit=args.limit)).suite
    opened = open_dataset(suite.datasets[0], host)
    corruptor = Corruptor(host, {c.name: c for c in suite.conditions}, suite.seed)
    for entry in suite.models:
        weights = resolve_weights(entry, opened.entry.id, host)
        model = load_model(entry, opened.entry.id, host, "cpu", weights)
        labels = Labels(model.categories, opened.dataset.categories)
        for sample in opened.samples:
            image = decode(sample)
            for condition in suite.conditions:
                pixels = corruptor(image, condition, sample, opened.entry.dataset).pixels
                pixel_digest(pixels)
                validate_instances(model.predict([pixels])[0], pixels.shape[:2], labels)


if __name__ == "__main__":
    main()
