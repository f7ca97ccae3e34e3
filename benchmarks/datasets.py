"""How quickly a data set of street scenes opens: first from its instance maps, then from the index.

    python benchmarks/datasets.py [--images 2975] [--distinct 24]

Writes a Cityscapes tree of generated frames, 1024x2048, into a temporary folder: `distinct` maps with ragged borders,
under `images` names. Prints how many maps a minute are encoded on one core, beside a plain loop (Pillow, and
pycocotools' encoding of each instance's mask). Then prints how long opening takes the first time, again, and after one
map changed (under all its names), each in its own process, and the peak memory of that process.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as rle

HEIGHT, WIDTH = 1024, 2048


def instance_map(rng: np.random.Generator, instances: int = 30) -> np.ndarray:
    """Return an instance map, uint16 (H, W): ragged blobs on stuff."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    values = np.where(y > HEIGHT // 2 + rng.integers(-3, 4, WIDTH), 7, 11)
    for number in range(instances):
        cy, cx = rng.integers(HEIGHT // 3, HEIGHT), rng.integers(WIDTH)
        h, w = rng.integers(8, 160), rng.integers(8, 240)
        ragged = 1 + 0.1 * np.cumsum(rng.normal(size=WIDTH)) / 30
        values[((y - cy) / h) ** 2 + ((x - cx) / w) ** 2 < ragged] = 1000 * int(rng.choice([24, 26, 33])) + number
    return values.astype(np.uint16)


def write(root: Path, images: int, distinct: int) -> None:
    """Write the Cityscapes tree."""
    rng = np.random.default_rng(0)
    frame = np.repeat(rng.integers(0, 255, (HEIGHT, 1, 3), dtype=np.uint8), WIDTH, axis=1)
    for number in range(images):
        city = f"city{number % 18:02d}"
        stem = f"{city}_{number:06d}_000019"
        image = root / f"leftImg8bit/train/{city}/{stem}_leftImg8bit.png"
        labels = root / f"gtFine/train/{city}/{stem}_gtFine_instanceIds.png"
        for path in (image, labels):
            path.parent.mkdir(parents=True, exist_ok=True)
        if number < distinct:
            Image.fromarray(frame).save(image)
            Image.fromarray(instance_map(rng)).save(labels)
            if number == 0:
                first = image
            sources = sorted(root.glob("gtFine/train/*/*.png"))
        else:
            os.link(first, image)
            os.link(sources[number % distinct], labels)


def plain(path: Path) -> int:
    """Encode a map the obvious way, a mask for each value; return the number of instances."""
    values = np.asarray(Image.open(path))
    count = 0
    for value in np.unique(values):
        if value >= 1000:
            mask = rle.encode(np.asfortranarray((values == value).astype(np.uint8)))
            rle.area(mask), rle.toBbox(mask)
            count += 1
    return count


OPEN = """
import resource, sys, time
from segharness_cityscapes.dataset import CityscapesInstances
began = time.perf_counter()
dataset = CityscapesInstances(sys.argv[1], "train")
opened = time.perf_counter() - began
began = time.perf_counter()
count = len(dataset.ground_truth("instances")["annotations"])
truth = time.perf_counter() - began
print(opened, truth, len(dataset.samples()), count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def opening(root: Path, cache: Path) -> tuple[float, float, int, int, float]:
    """Return seconds to open, seconds for the ground truth, images, annotations, and peak MB, of a new process."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    process = subprocess.run(
        [sys.executable, "-c", OPEN, str(root)], env=environment, capture_output=True, text=True, check=True
    )
    seconds, truth, images, count, memory = process.stdout.split()
    return float(seconds), float(truth), int(images), int(count), float(memory)


def main() -> None:
    """Write the tree and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2975)
    parser.add_argument("--distinct", type=int, default=24)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        root = folder / "cityscapes"
        write(root, args.images, args.distinct)
        from segharness.files import Tree
        from segharness_cityscapes import dataset

        tree = Tree(root)
        images = dataset._files_by_frame(tree, "leftImg8bit", "train", "_leftImg8bit.png")
        labels = dataset._files_by_frame(tree, "gtFine", "train", "_gtFine_instanceIds.png")
        names = list(images)[: args.distinct]
        took: dict[str, list[float]] = {"ours": [], "plain": []}
        for name in names:
            for way, call in (
                ("ours", lambda n=name: dataset._entry(images[n], labels[n])),
                ("plain", lambda n=name: plain(labels[n].source)),
            ):
                start = time.process_time()
                call()
                took[way].append(time.process_time() - start)
        ours, loop = (float(np.median(took[way])) for way in ("ours", "plain"))
        print(f"instance maps of {HEIGHT}x{WIDTH} to RLE, one core: {60 / ours:.0f} a minute")
        print(f"plain loop: {60 / loop:.0f} a minute; ratio {loop / ours:.1f}")
        for case in ("first", "again", "again", "one map changed"):
            if case.startswith("one"):
                os.utime(next(iter(labels.values())).source)
            seconds, truth, count, annotations, memory = opening(root, folder / "cache")
            print(
                f"{case}: {count} images open in {seconds:.2f} s; {annotations} annotations in {truth:.2f} s; "
                f"at most {memory:.0f} MB"
            )
        print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
