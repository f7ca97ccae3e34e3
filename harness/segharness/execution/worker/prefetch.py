"""Before the model: a pool of threads decodes and corrupts the next images, also those of the next unit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from segharness.digests import pixel_digest
from segharness.errors import CellError
from segharness.execution.worker.image_cache import ImageCache, MemoryBudget
from segharness.execution.worker.open_unit import ConditionShard, OpenUnit, PreparedImage
from segharness.execution.worker.stage_timings import StageTimings
from segharness.records import Sample

PREFETCHED_IMAGES = 192
"""How many images the threads may be ahead. Some corruptions take longer than a model, others less; over so many images
the differences even out."""

PREFETCHED_BYTES = 256 * 1024 * 1024
"""The memory for images that the threads are ahead."""

NextUnit = Callable[[bool], OpenUnit | None]
"""Returns the next unit, or None if there is none now. With True it waits; None then means that none will come."""


class Prefetcher:
    """The images that the model gets next, in order.

    Args:
        threads: how many threads decode and corrupt.
        next_unit: returns the next unit. It is called when the threads have all images of the unit before, and may wait
            only in `wait`.
    """

    def __init__(self, threads: int, next_unit: NextUnit) -> None:
        self._pool = ThreadPoolExecutor(threads, "prepare")
        self._next_unit = next_unit
        self._minimum = 2 * threads
        self._budget = MemoryBudget()
        self._images: Iterator[tuple[ConditionShard, Sample, ImageCache]] = iter(())
        self._waiting: deque[tuple[int, Future[PreparedImage]]] = deque()
        self._bytes = 0

    def take(self) -> PreparedImage | None:
        """Return the next image, or None if that would mean waiting for another unit."""
        if not self._waiting:
            self._fill()
        if not self._waiting:
            return None
        size, future = self._waiting.popleft()
        prepared = future.result()
        self._bytes -= size
        self._fill()
        return prepared

    def wait(self) -> bool:
        """Wait for another unit. Returns False if none will come."""
        unit = self._next_unit(True)
        if unit is None:
            return False
        self._images = self._images_of(unit)
        return True

    def close(self) -> None:
        """Discard the images that the model has not taken, and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()

    def _fill(self) -> None:
        while len(self._waiting) < self._minimum or (
            len(self._waiting) < PREFETCHED_IMAGES and self._bytes < PREFETCHED_BYTES
        ):
            image = next(self._images, None)
            if image is None:
                unit = self._next_unit(False)
                if unit is None:
                    return
                self._images = self._images_of(unit)
                continue
            shard, sample, cache = image
            size = 3 * sample.height * sample.width
            self._waiting.append((size, self._pool.submit(_prepare, shard, sample, cache)))
            self._bytes += size

    def _images_of(self, unit: OpenUnit) -> Iterator[tuple[ConditionShard, Sample, ImageCache]]:
        cache = ImageCache(unit.samples, len(unit.conditions), self._budget, unit.note)
        for shard in unit.shards():
            if unit.error is not None:
                break
            for sample in unit.samples:
                yield shard, sample, cache
        if unit.error is not None:
            cache.clear()


def _prepare(shard: ConditionShard, sample: Sample, cache: ImageCache) -> PreparedImage:
    unit, timings = shard.unit, StageTimings()
    try:
        with timings.timed("decode"):
            pixels = cache.get(sample)
        with timings.timed("corrupt"):
            corrupted = unit.corruptor(pixels, shard.condition, sample, unit.dataset)
            digest = pixel_digest(corrupted.pixels)
        prompts = unit.prompts(sample) if unit.prompts is not None else None
    except CellError as error:
        return PreparedImage(shard, sample, None, None, str(error), timings=timings)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  a plugin reads the ground truth
        return PreparedImage(shard, sample, None, None, f"{sample}: {type(error).__name__}: {error}", timings=timings)
    return PreparedImage(shard, sample, corrupted, digest, None, prompts, timings)
