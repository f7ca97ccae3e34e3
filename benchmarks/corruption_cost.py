"""The cost of corruptions: segharness's against the imagecorruptions package's, in one process, one thread, in turn.

    python benchmarks/corruption_cost.py FOLDER [--repeats N] [--only time threads memory]

FOLDER holds photographs; the first 5 are used, resized. Prints medians and their ratios at 640x427 and 2048x1024,
severity 3; how much more work two threads do than one; and the memory a corruption needs, as a multiple of its image
(peak of the resident set, with tables and libraries loaded before).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from segharness_corruptions import corrupt
from segharness_corruptions.catalogue import ALL, PAPER15, REFERENCE

SIZES = ((640, 427), (2048, 1024))
SEVERITY = 3
MOST_MEMORY = 12
"""The upper limit of `memory`, in multiples of the image."""
PHOTOGRAPHS = 5
"""How many images of the folder are used."""
SLOW = ("glass_blur", "zoom_blur")
"""Slow corruptions of the package: they get a third of the repeats, and run once at the large size."""


def main() -> int:
    """Run the measurements; return 1 if a corruption needs too much memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of photographs, JPEG or PNG")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument(
        "--only", nargs="+", choices=("time", "threads", "memory"), default=("time", "threads", "memory")
    )
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        print(measured_memory(args.folder, args.memory_of))
        return 0
    cv2.setNumThreads(1)
    if "threads" in args.only:
        for size in SIZES:
            print_threads(photographs(args.folder, size), args.repeats)
    if "time" in args.only:
        for size in SIZES:
            print_times(photographs(args.folder, size), args.repeats)
    return print_memory(args.folder) if "memory" in args.only else 0


def photographs(folder: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the first images of a folder, uint8 RGB (H, W, 3), resized to (width, height)."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png"))[:PHOTOGRAPHS]
    if not files:
        raise SystemExit(f"{folder}: no .jpg, .jpeg or .png")
    return [
        cv2.resize(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), size, interpolation=cv2.INTER_CUBIC) for file in files
    ]


def print_times(images: Sequence[np.ndarray], repeats: int) -> None:
    """Print the medians of both families for every corruption; every call takes the next image."""
    height, width = images[0].shape[:2]
    print(f"\n{width}x{height}, severity {SEVERITY}, one thread, {len(images)} photographs, medians in ms\n")
    print("| corruption | package | plugin | ratio |\n|---|---:|---:|---:|")
    totals = {"package": 0.0, "plugin": 0.0}
    for name in ALL:
        once = name in SLOW and width > 1000
        package, plugin = in_turn(
            lambda key, name=name: corrupt(images[key % len(images)], REFERENCE + name, SEVERITY, seed=key),
            lambda key, name=name: corrupt(images[key % len(images)], name, SEVERITY, seed=key),
            1 if once else max(3, repeats // 3) if name in SLOW else repeats,
        )
        print(f"| {name} | {package:.1f} | {plugin:.2f} | {package / plugin:.1f} |", flush=True)
        if name in PAPER15:
            totals["package"] += package
            totals["plugin"] += plugin
    ratio = totals["package"] / totals["plugin"]
    print(f"| **the paper's 15** | {totals['package']:.0f} | {totals['plugin']:.1f} | **{ratio:.1f}** |")


def in_turn(first: Callable[[int], object], second: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Return the median milliseconds of two functions, called in turn: the second five times per call of the first."""
    seconds: tuple[list[float], list[float]] = ([], [])
    if repeats > 1:
        first(0)
    second(0)
    for key in range(repeats):
        for function, samples, count in ((first, seconds[0], 1), (second, seconds[1], 5)):
            for _ in range(count):
                start = time.perf_counter()
                function(key)
                samples.append(time.perf_counter() - start)
    return statistics.median(seconds[0]) * 1e3, statistics.median(seconds[1]) * 1e3


def print_threads(images: Sequence[np.ndarray], repeats: int) -> None:
    """Print how much more of the paper's 15 corruptions two threads do than one thread, measured in turn."""
    height, width = images[0].shape[:2]
    jobs = [(name, key) for key in range(4 if width > 1000 else 16) for name in PAPER15]

    def seconds(count: int) -> float:
        with ThreadPoolExecutor(count) as pool:
            start = time.perf_counter()
            list(pool.map(lambda job: corrupt(images[job[1] % len(images)], job[0], SEVERITY, seed=job[1]), jobs))
            return time.perf_counter() - start

    seconds(2)
    ratios = sorted(seconds(1) / seconds(2) for _ in range(repeats))
    print(
        f"\n{width}x{height}: two threads do {statistics.median(ratios):.2f} times the work of one "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f} over {repeats})"
    )


def print_memory(folder: Path) -> int:
    """Print the memory that every corruption needs beside its input; return 1 if one needs too much."""
    width, height = SIZES[1]
    print(f"\npeak memory beside the input, in multiples of a {width}x{height} image; at most {MOST_MEMORY}\n")
    worst = 0.0
    for name in ALL:
        command = [sys.executable, __file__, str(folder), "--memory-of", name]
        needed = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        worst = max(worst, needed)
        print(f"{name:20s} {needed:5.1f}")
    return int(worst > MOST_MEMORY)


def measured_memory(folder: Path, name: str) -> float:
    """Return the peak growth of the resident set, in multiples of the image; Linux only."""
    cv2.setNumThreads(1)
    image = photographs(folder, SIZES[1])[0]
    for key in range(8):  # tables, libraries, all of frost's pictures
        corrupt(image[:64, :64], name, SEVERITY, seed=key)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident()
    corrupt(image, name, SEVERITY)
    return (resident() - before) / image.nbytes


def resident() -> int:
    """Return the peak of the resident set in bytes since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024


if __name__ == "__main__":
    raise SystemExit(main())
