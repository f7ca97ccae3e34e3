"""A suite's data set, opened: its images, and the fixed slices that they are run in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segharness.errors import DataError
from segharness.plugins import PluginHost
from segharness.records import Dataset, Sample
from segharness.specs import DatasetSpec, load
from segharness.suite import DatasetEntry

SHARD_SIZE = 64


@dataclass(frozen=True)
class Shard:
    """A contiguous slice of a data set's images: ``samples[start:stop]``."""

    index: int
    start: int
    stop: int


@dataclass(frozen=True)
class OpenDataset:
    """A data set that was opened, with the images that the suite takes of it."""

    entry: DatasetEntry
    dataset: Dataset
    samples: Sequence[Sample]

    @property
    def shards(self) -> list[Shard]:
        size = int(getattr(self.dataset, "shard_size", SHARD_SIZE))
        count = len(self.samples)
        return [Shard(i, start, min(start + size, count)) for i, start in enumerate(range(0, count, size))]


def open_dataset(entry: DatasetEntry, host: PluginHost) -> OpenDataset:
    """Open a data set of a suite.

    Raises:
        DataError: its files are missing or broken, or it breaks the contract of a `Dataset`.
    """
    dataset: Dataset = load(host.get(entry.dataset, DatasetSpec).factory)(**entry.options)
    samples = dataset.samples()
    ids = [sample.image_id for sample in samples]
    if not all(isinstance(id, int) and -(2**63) <= id < 2**63 for id in ids):
        raise DataError("image ids must be whole numbers of 64 bits")
    if len(set(ids)) != len(ids):
        raise DataError("two images have one id")
    if not isinstance(dataset.digest, str) or not dataset.digest:
        raise DataError("its `digest` must be a text")
    size = getattr(dataset, "shard_size", SHARD_SIZE)
    if not isinstance(size, int) or size < 1:
        raise DataError(f"its `shard_size` is {size!r}, not a whole number from 1")
    return OpenDataset(entry, dataset, samples[: entry.limit])
