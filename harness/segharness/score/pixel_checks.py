"""Applies the conditions of a stored run to its images again, and compares the digests of the pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from segharness.cpu_cores import cores
from segharness.data.open_dataset import OpenDataset
from segharness.digests import pixel_digest
from segharness.errors import ImageError, StoreError
from segharness.identity import StoredRun
from segharness.images.corrupt import Corruptor
from segharness.images.decode import decode
from segharness.plugin.host import PluginHost
from segharness.plugin.specs import CorruptionSpec, MixtureSpec
from segharness.records import Condition, Sample
from segharness.store import RunFolder, read_shard
from segharness.suite.conditions import version_of


@dataclass(frozen=True)
class WrongPixels:
    """Pixels that are not those of the protocol, or that cannot be compared.

    Attributes:
        condition: the name of the condition.
        problem: what is wrong, in one line.
        model: the id of the model that got them; None if they cannot be made here.
        dataset: the id of the data set; None with a corruption that is not here.
        shard: the index of the shard; None as above.
        row: the image's row in the shard, from 0; None for a whole shard without digests.
        undecided: whether this machine cannot make the pixels, so that nothing is known of the stored ones.
    """

    condition: str
    problem: str
    model: str | None = None
    dataset: str | None = None
    shard: int | None = None
    row: int | None = None
    undecided: bool = False


def compare_pixels(
    folder: RunFolder, run: StoredRun, host: PluginHost, opened: OpenDataset, found: Callable[[WrongPixels], None]
) -> int:
    """Compare the digests of the pixels of every image of a data set under every condition with those of all models.

    Args:
        folder: of the run.
        run: what its manifest says.
        host: the plugins that have its corruptions.
        opened: the data set.
        found: called with everything that does not hold.

    Returns:
        How many digests were computed.
    """
    usable = [condition for condition in run.suite.conditions if _has_its_corruption(run, condition, host, found)]
    corruptor = Corruptor(host, {condition.name: condition for condition in usable}, run.suite.seed)
    count = 0
    for shard in opened.shards:
        samples = opened.samples[shard.start : shard.stop]
        stored = {
            (model.id, condition.name): images
            for model in run.suite.models
            for condition in usable
            if (images := _images(folder, model.id, opened.entry.id, condition.name, shard.index, found)) is not None
        }
        wanted = {name for _, name in stored}
        conditions = [condition for condition in usable if condition.name in wanted]
        with ThreadPoolExecutor(cores()) as pool:
            made = partial(pixel_digests, conditions=conditions, corruptor=corruptor, dataset=opened.entry.dataset)
            for number, (sample, digests) in enumerate(zip(samples, pool.map(made, samples), strict=True)):
                for condition, digest in zip(conditions, digests, strict=True):
                    count += 1
                    for (model, name), images in stored.items():
                        if name != condition.name or number >= len(images):
                            continue
                        if (problem := _difference(sample, images[number], digest)) is not None:
                            unmade = isinstance(digest, str)
                            found(WrongPixels(name, problem, model, opened.entry.id, shard.index, number, unmade))
    return count


def _images(
    folder: RunFolder, model: str, dataset: str, condition: str, shard: int, found: Callable[[WrongPixels], None]
) -> list[tuple[int, int]] | None:
    """Return the image ids and digests of a stored shard; None if it is missing or damaged, which others say."""
    try:
        images: pa.Table = read_shard(folder.shard_files(model, dataset, condition, shard)).images
    except (FileNotFoundError, StoreError):
        return None
    lacking = images.column("pixels").null_count
    if lacking:
        problem = f"{lacking} of {len(images)} images of shard {shard} have no digest of their pixels"
        found(WrongPixels(condition, problem, model, dataset, shard))
    pairs = zip(images.column("image_id").to_pylist(), images.column("pixels").to_pylist(), strict=True)
    return None if lacking == len(images) else list(pairs)


def _has_its_corruption(
    run: StoredRun, condition: Condition, host: PluginHost, found: Callable[[WrongPixels], None]
) -> bool:
    if condition.corruption is None:
        return True
    spec: Any = host.find(condition.corruption, CorruptionSpec, MixtureSpec)
    recorded = run.inputs.conditions[condition.name].get("version")
    if spec is None:
        unknown = host.unknown_message(condition.corruption, CorruptionSpec)
        found(WrongPixels(condition.name, f"pixels cannot be made: {unknown}", undecided=True))
    elif (version := version_of(spec, host)) != recorded:
        versions = f"this machine has version {version} of `{condition.corruption}`, the run {recorded}"
        found(WrongPixels(condition.name, f"pixels cannot be made: {versions}", undecided=True))
    else:
        return True
    return False


def pixel_digests(
    sample: Sample, conditions: Sequence[Condition], corruptor: Corruptor, dataset: str
) -> list[int | str]:
    """Return the digest of the pixels of an image under every condition, or why there is none."""
    try:
        pixels = decode(sample)
    except ImageError as error:
        return [str(error)] * len(conditions)
    digests: list[int | str] = []
    for condition in conditions:
        try:
            digests.append(pixel_digest(corruptor(pixels, condition, sample, dataset).pixels))
        except ImageError as error:
            digests.append(str(error))
    return digests


def _difference(sample: Sample, stored: tuple[int, int | None], derived: int | str) -> str | None:
    image_id, digest = stored
    if isinstance(derived, str):
        return f"pixels cannot be made: {derived}"
    if image_id == sample.image_id and digest is not None and digest != derived:
        return f"{sample}: its pixels were not those of the protocol"
    return None
