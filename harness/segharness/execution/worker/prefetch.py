"""Ahead of the model: a pool of threads decodes and corrupts the next images, from one unit into the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from segharness.digests import pixel_digest
from segharness.errors import CellError
from segharness.execution.worker.image_cache import Decoded, Room
from segharness.execution.worker.open_unit import ConditionShard, PreparedImage, Work
from segharness.execution.worker.timings import Stages
from segharness.records import Sample

AHEAD_IMAGES = 192
AHEAD_BYTES = 256 * 1024 * 1024
"""How far the threads may be ahead: some corruptions take longer than a model, others less, and over so many images the
differences even out."""

NextWork = Callable[[bool], Work | None]
"""Returns the next unit, or None if there is none now; with True it waits for one, and None means that none will come."""


class Ahead:
    """The images that the model gets next, in order.

    Args:
        threads: that decode and corrupt.
        works: where units come from. One is asked for when all images of the last were given to the threads, and waited for
            only when nothing is left.
    """

    def __init__(self, threads: int, works: NextWork) -> None:
        self._pool = ThreadPoolExecutor(threads, "prepare")
        self._works = works
        self._fewest = 2 * threads
        self._room = Room()
        self._images: Iterator[tuple[ConditionShard, Sample, Decoded]] = iter(())
        self._waiting: deque[tuple[int, Future[PreparedImage]]] = deque()
        self._bytes = 0

    def take(self) -> PreparedImage | None:
        """Return the next image; None if there is none without waiting for another unit."""
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
        """Wait for another unit; False if none will come."""
        work = self._works(True)
        if work is None:
            return False
        self._images = self._all(work)
        return True

    def close(self) -> None:
        """Let go of everything that the model does not get."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()

    def _fill(self) -> None:
        while len(self._waiting) < self._fewest or (len(self._waiting) < AHEAD_IMAGES and self._bytes < AHEAD_BYTES):
            found = next(self._images, None)
            if found is None:
                work = self._works(False)
                if work is None:
                    return
                self._images = self._all(work)
                continue
            shard, sample, decoded = found
            size = 3 * sample.height * sample.width
            self._waiting.append((size, self._pool.submit(_prepare, shard, sample, decoded)))
            self._bytes += size

    def _all(self, work: Work) -> Iterator[tuple[ConditionShard, Sample, Decoded]]:
        decoded = Decoded(work.samples, len(work.conditions), self._room)
        for shard in work.shards():
            if work.error is not None:
                break
            for sample in work.samples:
                yield shard, sample, decoded
        if work.error is not None:
            decoded.forget()


def _prepare(shard: ConditionShard, sample: Sample, decoded: Decoded) -> PreparedImage:
    work, stages = shard.work, Stages()
    try:
        with stages.timed("decode"):
            pixels = decoded.get(sample)
        with stages.timed("corrupt"):
            corrupted = work.corruptor(pixels, shard.condition, sample, work.dataset)
            seen = pixel_digest(corrupted.pixels)
        given = work.prompts(sample) if work.prompts is not None else None
    except CellError as error:
        return PreparedImage(shard, sample, None, None, str(error), stages=stages)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  a ground truth is a plugin's
        return PreparedImage(shard, sample, None, None, f"{sample}: {type(error).__name__}: {error}", stages=stages)
    return PreparedImage(shard, sample, corrupted, seen, None, given, stages)
