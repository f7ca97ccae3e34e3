"""The data set ``leaderboard/drawn``: the pixels that were drawn, without names, conditions or ground truth.

It is written by who makes predictions again, and read where the stranger's model runs. An image's id is its number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from segharness import Category, Sample, write_atomic

if TYPE_CHECKING:
    import numpy.typing as npt

    Image = npt.NDArray[np.uint8]

INDEX = "drawn.json"

_PART = 128 << 20
"""A file of pixels has about so many bytes at most, unless a single image is larger."""


def write_drawn(folder: Path, categories: Sequence[Category], images: Iterable[Image]) -> int:
    """Write images, and return how many.

    Args:
        folder: to write into.
        categories: of the data set that they are from.
        images: uint8 RGB (H, W, 3); the first gets the id 1.
    """
    entries: list[dict[str, int]] = []
    waiting: list[bytes] = []
    part = size = 0
    folder.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        write_atomic(folder / f"pixels-{part:05d}.bin", b"".join(waiting))

    for image in images:
        data = np.ascontiguousarray(image).tobytes()
        if waiting and size + len(data) > _PART:
            write()
            part, waiting, size = part + 1, [], 0
        entries.append({"height": image.shape[0], "width": image.shape[1], "part": part, "offset": size})
        waiting.append(data)
        size += len(data)
    write()
    listed = [{"id": c.id, "name": c.name, "aliases": list(c.aliases)} for c in categories]
    write_atomic(folder / INDEX, json.dumps({"categories": listed, "images": entries}).encode())
    return len(entries)


class DrawnImages:
    """Images that were drawn from a bundle, as a data set.

    Args:
        folder: that `write_drawn` wrote.
    """

    withheld = "predictions are made again, and compared elsewhere"

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        content = (self._folder / INDEX).read_bytes()
        index = json.loads(content)
        self.categories = [Category(c["id"], c["name"], tuple(c["aliases"])) for c in index["categories"]]
        self.digest = hashlib.sha256(content).hexdigest()
        self._images = index["images"]

    def samples(self) -> list[Sample]:
        """Return the images."""
        return [
            Sample(number, lambda entry=entry: self._pixels(entry), entry["height"], entry["width"], f"drawn-{number}")  # type: ignore[misc]
            for number, entry in enumerate(self._images, 1)
        ]

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Raise KeyError: there is none."""
        raise KeyError(kind)

    def _pixels(self, entry: Mapping[str, int]) -> Image:
        shape = (entry["height"], entry["width"], 3)
        file = self._folder / f"pixels-{entry['part']:05d}.bin"
        return np.fromfile(file, np.uint8, int(np.prod(shape)), offset=entry["offset"]).reshape(shape)
