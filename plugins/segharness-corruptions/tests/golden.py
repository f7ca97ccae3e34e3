"""Keeps the pixels of every corruption: ``python golden.py OUT.npz`` draws them, ``--update`` renews golden.npz.

A change of pixels is a new version of the corruption: results made with other versions are not mixed. `--update` refuses
pixels that changed under a version that did not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from segharness_corruptions import corrupt
from segharness_corruptions.catalogue import BY_NAME

GOLDEN = Path(__file__).with_name("golden.npz")
SEVERITIES = (1, 2, 3, 4, 5)


def picture() -> np.ndarray:
    """Return edges, slopes, colours, gray, black and white in whole numbers, uint8 (33, 47, 3)."""
    y, x = np.mgrid[:33, :47]
    image = np.stack([x * 5, y * 7, (x * y) // 6], axis=2)
    image[4:14, 5:20] = (200, 30, 60)
    image[8:30, 22:30] = 128
    image[:5, 30:], image[28:, 30:] = 255, 0
    image += np.random.Generator(np.random.Philox(key=7)).integers(-3, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def drawn() -> dict[str, np.ndarray]:
    """Return every corruption's pixels by ``name-severity``, and its version by ``name``."""
    image = picture()
    pixels = {
        f"{name}-{s}": corrupt(image, name, s, seed=1, image_id=2, dataset="d") for name in BY_NAME for s in SEVERITIES
    }
    return pixels | {name: np.array(entry.version) for name, entry in BY_NAME.items()}


def main() -> None:
    found = drawn()
    if sys.argv[1:] != ["--update"]:
        np.savez_compressed(sys.argv[1], **found)
        return
    before = dict(np.load(GOLDEN)) if GOLDEN.exists() else {}
    for key, pixels in found.items():
        name = key.rpartition("-")[0]
        if name and key in before and before[name] == found[name] and not np.array_equal(before[key], pixels):
            sys.exit(f"{key}: other pixels under version {found[name]}: raise the version in catalogue.py")
    np.savez_compressed(GOLDEN, **found)


if __name__ == "__main__":
    main()
