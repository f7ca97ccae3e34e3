"""Decoded images, kept while conditions still need them and memory allows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from segharness.images.decode import decode
from segharness.records import Sample

if TYPE_CHECKING:
    from segharness.records import Image

DECODED_BYTES = 512 * 1024 * 1024
"""How much memory decoded images may take: 64 of 2048x1024 take 403 MB."""


class Room:
    """Bytes that may be used by several shards together."""

    def __init__(self) -> None:
        self._free = DECODED_BYTES
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Reserve `size` bytes, if there are so many."""
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self._free += size


class _Slot:
    def __init__(self, uses: int) -> None:
        self.lock = threading.Lock()
        self.uses = uses
        self.pixels: Image | None = None


class Decoded:
    """The images of a shard: each is decoded once, kept if there is room, and let go of after its last use.

    Args:
        samples: the images.
        uses: how often each will be asked for.
        room: what shards share.
    """

    def __init__(self, samples: Sequence[Sample], uses: int, room: Room) -> None:
        self._slots = {sample.image_id: _Slot(uses) for sample in samples}
        self._room = room

    def get(self, sample: Sample) -> Image:
        """Return the pixels of a sample; raises ImageError as `decode` does."""
        slot = self._slots[sample.image_id]
        with slot.lock:
            slot.uses -= 1
            if slot.pixels is not None:
                pixels = slot.pixels
                if not slot.uses:
                    self._drop(slot)
                return pixels
            pixels = decode(sample)
            if slot.uses and self._room.take(pixels.nbytes):
                slot.pixels = pixels
            return pixels

    def forget(self) -> None:
        """Let go of every image."""
        for slot in self._slots.values():
            with slot.lock:
                self._drop(slot)

    def _drop(self, slot: _Slot) -> None:
        if slot.pixels is not None:
            self._room.give(slot.pixels.nbytes)
            slot.pixels = None
