"""Keeps decoded images while conditions still need them and memory suffices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from segharness.images.decode import decode
from segharness.records import Sample

if TYPE_CHECKING:
    from segharness.records import Image

CACHED_BYTES = 512 * 1024 * 1024
"""The memory for decoded images; 64 images of 2048x1024 take 403 MB."""


class MemoryBudget:
    """The bytes that the caches of several shards may use together."""

    def __init__(self) -> None:
        self._free = CACHED_BYTES
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Reserve `size` bytes. Returns False if fewer are free."""
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
            return True

    def give_back(self, size: int) -> None:
        """Release `size` reserved bytes."""
        with self._lock:
            self._free += size


class _CachedImage:
    def __init__(self, uses: int) -> None:
        self.lock = threading.Lock()
        self.uses = uses
        self.pixels: Image | None = None


class ImageCache:
    """The images of a shard. Each is decoded, kept if the budget allows, and released after its last use.

    Args:
        samples: the images.
        uses: how often each image will be requested.
        budget: the budget, shared with the caches of other shards.
        note: as in `decode`.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        uses: int,
        budget: MemoryBudget,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._note = note
        self._images = {sample.image_id: _CachedImage(uses) for sample in samples}
        self._budget = budget

    def get(self, sample: Sample) -> Image:
        """Return the pixels of a sample. Raises ImageError as `decode` does."""
        image = self._images[sample.image_id]
        with image.lock:
            image.uses -= 1
            if image.pixels is not None:
                pixels = image.pixels
                if not image.uses:
                    self._drop(image)
                return pixels
            pixels = decode(sample, self._note)
            if image.uses and self._budget.take(pixels.nbytes):
                image.pixels = pixels
            return pixels

    def clear(self) -> None:
        """Release every image."""
        for image in self._images.values():
            with image.lock:
                self._drop(image)

    def _drop(self, image: _CachedImage) -> None:
        if image.pixels is not None:
            self._budget.give_back(image.pixels.nbytes)
            image.pixels = None
