"""A suite's data set, opened: its images, and the fixed slices that they are run in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

    def ground_truth(self, kind: str) -> dict[str, Any] | None:
        """Return the ground truth of the images that the suite takes, or None where there is none of that kind.

        An annotation with the id 0, which pycocotools takes for unmatched, or below, gets a free one, everywhere the same.

        Raises:
            DataError: two annotations or two categories have one id.
        """
        try:
            content = self.dataset.ground_truth(kind)
        except KeyError:
            return None
        ids = {sample.image_id for sample in self.samples}
        given = [annotation["id"] for annotation in content["annotations"]]
        if len(set(given)) < len(given):
            twice = next(id for id in given if given.count(id) > 1)
            raise DataError(f"data set `{self.entry.id}`: two annotations ({kind}) have the id {twice}")
        categories = [category["id"] for category in content["categories"]]
        if len(set(categories)) < len(categories):
            raise DataError(f"data set `{self.entry.id}`: two categories ({kind}) have one id")
        free = itertools.count(max(given, default=0) + 1)
        return {
            **content,
            "images": [image for image in content["images"] if image["id"] in ids],
            "annotations": [
                {"iscrowd": 0, **a, "id": a["id"] if a["id"] > 0 else next(free)}
                for a in content["annotations"]
                if a["image_id"] in ids
            ],
        }

    def renumbers(self, kind: str) -> bool:
        """Return whether `ground_truth` gives an annotation another id than the data set does."""
        return any(a["id"] <= 0 for a in self.dataset.ground_truth(kind)["annotations"])

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
