"""A suite's data set, opened: its images, its ground truth, and the shards that its images are run in."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from segharness.data.taxonomy import Taxonomy
from segharness.errors import DataError, PluginError, UsageError
from segharness.masks import first_wrong_counts
from segharness.plugin.failures import describe, log_failure
from segharness.plugin.host import PluginHost
from segharness.plugin.import_strings import load
from segharness.plugin.specs import DatasetSpec
from segharness.records import Dataset, Sample
from segharness.suite import DatasetEntry

SHARD_SIZE = 64
"""Images a shard, unless a data set has a `shard_size`."""


@dataclass(frozen=True)
class Shard:
    """A contiguous slice of a data set's images: ``samples[start:stop]``."""

    index: int
    start: int
    stop: int


@dataclass(frozen=True)
class OpenDataset:
    """An open data set, restricted to the images that the suite takes.

    Attributes:
        entry: what the suite says about the data set.
        dataset: the object that the plugin made.
        samples: the images that the suite takes.
        renumbered: the kinds of ground truth, of those read so far, in which annotations got other ids.
    """

    entry: DatasetEntry
    dataset: Dataset
    samples: Sequence[Sample]
    renumbered: set[str] = field(default_factory=set, compare=False, repr=False)
    _truths: dict[str, dict[str, Any] | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def withheld(self) -> str | None:
        """Why the data set has no ground truth, if its owners keep it; None for others."""
        text = getattr(self.dataset, "withheld", None)
        return text if isinstance(text, str) else None

    def ground_truth(self, kind: str) -> dict[str, Any] | None:
        """Return the ground truth of the images that the suite takes, or None if there is none of that kind.

        Its categories are the data set's own. `scored_ground_truth` has those that are scored.

        An annotation whose id is 0 or below gets a free id, the same in every process: to pycocotools, 0 means
        unmatched. The data set's own method is called once per kind, because it may have to decode or draw the ground
        truth.

        Raises:
            DataError: two annotations or two categories have the same id, or a mask is not of the size of its image.
        """
        if kind not in self._truths:
            try:
                content = self.dataset.ground_truth(kind)
            except KeyError:
                self._truths[kind] = None
            else:
                self._truths[kind] = self._restricted(kind, content)
        return self._truths[kind]

    def annotation_ids(self) -> set[int]:
        """Return the ids of the instances, which predictions that answer prompts name; none without instances."""
        truth = self.ground_truth("instances")
        return {annotation["id"] for annotation in truth["annotations"]} if truth is not None else set()

    @property
    def notes(self) -> list[str]:
        """What was repaired when the data set's files were read, a line each."""
        return [str(note) for note in getattr(self.dataset, "notes", ())]

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The policy of the suite for the categories of the data set."""
        return Taxonomy(self.entry, self.dataset.categories)

    def scored_ground_truth(self, kind: str) -> Mapping[str, Any] | None:
        """Return `ground_truth` with the categories that are scored, or None if there is none of that kind."""
        content = self.ground_truth(kind)
        return content if content is None else self.taxonomy.apply_to_ground_truth(kind, content)

    def _restricted(self, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
        sizes = {sample.image_id: [sample.height, sample.width] for sample in self.samples}
        for name in ("annotations", "categories"):
            counts = Counter(item["id"] for item in content[name])
            if repeated := [id for id, count in counts.items() if count > 1]:
                raise DataError(f"data set `{self.entry.id}`: two {name} ({kind}) have the id {repeated[0]}")
        if kind != "void":  # regions that are not judged are of no category
            self._check_categories(kind, content)
        free_ids = itertools.count(max((a["id"] for a in content["annotations"]), default=0) + 1)
        annotations = []
        for annotation in content["annotations"]:
            if annotation["image_id"] in sizes:
                self._check_size(annotation, sizes[annotation["image_id"]])
                annotations.append({"iscrowd": 0, **annotation})
                if annotation["id"] <= 0:
                    annotations[-1]["id"] = next(free_ids)
                    self.renumbered.add(kind)
        self._check_counts(annotations, sizes)
        images = [image for image in content["images"] if image["id"] in sizes]
        return {**content, "images": images, "annotations": annotations}

    def _check_categories(self, kind: str, content: Mapping[str, Any]) -> None:
        """Refuse annotations of categories that there are not: every evaluation would leave them out in silence."""
        names = {category.id: category.name for category in self.dataset.categories}
        for category in content["categories"]:
            if names.get(category["id"]) != category["name"]:
                raise DataError(
                    f"data set `{self.entry.id}`: its {kind} have the category {category['id']} `{category['name']}`, "
                    f"and its `categories` {category['id']} `{names.get(category['id'])}`"
                )
        known = {category["id"] for category in content["categories"]}
        unknown = next((a for a in content["annotations"] if a["category_id"] not in known), None)
        if unknown is not None:
            raise DataError(
                f"data set `{self.entry.id}`: annotation {unknown['id']} ({kind}): its category {unknown['category_id']} "
                f"is not one of {', '.join(map(str, sorted(known)[:10]))}{' ...' if len(known) > 10 else ''}"
            )

    def _check_counts(self, annotations: Sequence[Mapping[str, Any]], sizes: Mapping[int, Sequence[int]]) -> None:
        """Refuse run-length encodings that do not cover their image: decoded, they are other masks."""
        encoded: list[tuple[Any, bytes, int]] = []
        for annotation in annotations:
            segmentation, size = annotation.get("segmentation"), sizes.get(annotation["image_id"])
            if not isinstance(segmentation, Mapping) or size is None:
                continue
            counts, pixels = segmentation["counts"], size[0] * size[1]
            if not isinstance(counts, (bytes, str)):
                if (total := sum(counts)) != pixels:
                    raise DataError(
                        self._wrong_counts(annotation["id"], f"the counts cover {total} pixels, the image has {pixels}")
                    )
                continue
            encoded.append((annotation["id"], counts if isinstance(counts, bytes) else counts.encode(), pixels))
        if encoded:
            array = pa.array([counts for _, counts, _ in encoded], pa.binary())
            wrong = first_wrong_counts(array, np.array([pixels for _, _, pixels in encoded], dtype=np.int64))
            if wrong is not None:
                raise DataError(self._wrong_counts(encoded[wrong[0]][0], wrong[1]))

    def _wrong_counts(self, annotation: Any, text: str) -> str:
        return f"data set `{self.entry.id}`: annotation {annotation}: its mask: {text}"

    def _check_size(self, annotation: Mapping[str, Any], size: list[int]) -> None:
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, Mapping) and list(segmentation["size"]) != size:
            raise DataError(
                f"data set `{self.entry.id}`: annotation {annotation['id']} (image {annotation['image_id']}): its mask "
                f"is {'x'.join(map(str, segmentation['size']))}, its image {size[0]}x{size[1]} (height x width)"
            )

    @property
    def shards(self) -> list[Shard]:
        """The fixed slices of the images, in order; only the last may be smaller than the others."""
        size = int(getattr(self.dataset, "shard_size", SHARD_SIZE))
        count = len(self.samples)
        return [Shard(i, start, min(start + size, count)) for i, start in enumerate(range(0, count, size))]


def draw_sample(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return `count` images, in their order: those whose ids have the smallest SHA-256.

    The rule needs no seed, gives every machine the same images, and makes a sample of fewer images a part of one of more.

    Args:
        samples: all images of a data set.
        count: how many to draw.

    Raises:
        DataError: there are fewer.

    Example:
        >>> images = [Sample(id, b"", 1, 1) for id in range(1, 9)]
        >>> [sample.image_id for sample in draw_sample(images, 3)]
        [3, 4, 8]
    """
    if count > len(samples):
        raise DataError(f"`sample` is {count}, and there are {len(samples)} images")
    keys = {sample.image_id: hashlib.sha256(str(sample.image_id).encode()).digest() for sample in samples}
    drawn = set(sorted(keys, key=keys.__getitem__)[:count])
    return [sample for sample in samples if sample.image_id in drawn]


def open_dataset(entry: DatasetEntry, host: PluginHost) -> OpenDataset:
    """Open a data set of a suite.

    Raises:
        DataError: its files are missing or broken, it breaks the contract of a `Dataset`, or the suite's policy for its
            categories is wrong. The message names the data set.
        PluginError: its plugin raised something else.
    """
    try:
        return _opened(entry, host)
    except UsageError as error:
        raise DataError([f"data set `{entry.id}`: {problem}" for problem in error.problems]) from error
    except (Exception, SystemExit) as error:
        message = f"data set `{entry.id}`: plugin `{entry.dataset}` raised {describe(error)}"
        log_failure(message, error)
        raise PluginError(message) from error


def _opened(entry: DatasetEntry, host: PluginHost) -> OpenDataset:
    dataset: Dataset = load(host.get(entry.dataset, DatasetSpec).factory)(**entry.options)
    samples = dataset.samples()
    ids = [sample.image_id for sample in samples]
    if not all(isinstance(id, int) and -(2**63) <= id < 2**63 for id in ids):
        raise DataError("image ids must be whole numbers of 64 bits")
    if len(set(ids)) != len(ids):
        raise DataError("two images have the same id")
    if not isinstance(dataset.digest, str) or not dataset.digest:
        raise DataError("its `digest` must be a text")
    size = getattr(dataset, "shard_size", SHARD_SIZE)
    if not isinstance(size, int) or size < 1:
        raise DataError(f"its `shard_size` is {size!r}, not a whole number from 1")
    if entry.sample is not None:
        samples = draw_sample(samples, entry.sample)
    opened = OpenDataset(entry, dataset, samples[: entry.limit])
    _ = opened.taxonomy  # raises if the policy is wrong
    return opened
