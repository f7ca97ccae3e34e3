"""A corrupted copy of a data set: a folder of images per condition, and one annotation file in COCO's format.

::

    DIR/annotations.json        the ground truth; file names have the ending of the copy's format
    DIR/manifest.json           the data set, seed, conditions with versions, digests of the indices
    DIR/<condition>.jsonl       a line per image: file, bytes, sha256, digest of the pixels, what a mixture drew
    DIR/<condition>/...         the images

An interrupted copy continues where it stopped: an image whose file matches its line in the index is not made again.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from segharness.cpu_cores import cores
from segharness.data.open_dataset import OpenDataset
from segharness.errors import DataError, ImageError, StoreError
from segharness.execution.monitor.progress import Display
from segharness.export.copy_index import CopiedImages
from segharness.export.copy_manifest import CopyManifest
from segharness.images.corrupt import Corruptor
from segharness.images.decode import decode
from segharness.plugin.host import PluginHost
from segharness.records import Condition, Sample
from segharness.store import Lock, RunFolder
from segharness.store.atomic import write_atomic


@dataclass(frozen=True)
class Copy:
    """What to copy, and where to.

    Attributes:
        opened: the data set.
        conditions: to make images under.
        seed: of the random draws.
        folder: to write into.
        kind: the image format, ``png`` or ``webp``.
    """

    opened: OpenDataset
    conditions: Sequence[Condition]
    seed: int
    folder: Path
    kind: str = "png"


@dataclass
class CopyOutcome:
    """The result of `copy_dataset`.

    Attributes:
        made: how many images were made now.
        kept: how many existed already.
        errors: a message for every image that failed.
    """

    made: int = 0
    kept: int = 0
    errors: list[str] = field(default_factory=list)


def copy_dataset(copy: Copy, host: PluginHost, show: Display, workers: int | None = None) -> CopyOutcome:
    """Make the missing files of a copy; its folder is locked meanwhile.

    Args:
        copy: what to make.
        host: the plugins, for the corruptions.
        show: shows the progress.
        workers: number of threads; None for one per core.

    Raises:
        StoreError: the folder holds a copy of something else, or cannot be written.
        DataError: the data set has no instances.
        KeyboardInterrupt: it was interrupted; everything finished so far is in the indices.
    """
    names = _file_names(copy.opened.samples, copy.kind)
    truth = _ground_truth(copy.opened, names)
    made_from = copy.opened, copy.conditions, copy.seed, copy.kind, copy.folder
    try:
        CopyManifest.open(*made_from)  # refuse a folder with other content before anything is written into it
        with Lock(RunFolder(copy.folder)), ExitStack() as stack:
            RunFolder(copy.folder).delete_partial_files()
            manifest = CopyManifest.open(*made_from)
            manifest.write()
            write_atomic(copy.folder / "annotations.json", truth)
            indices = {c.name: CopiedImages(copy.folder, c, names) for c in copy.conditions}
            for index in indices.values():
                stack.callback(index.close)
            outcome = _ImageMaker(copy, host, indices, show).run(workers or cores())
            if not outcome.errors:
                manifest.finish({name: index.finish() for name, index in indices.items()})
            return outcome
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{copy.folder}: cannot be written: {reason}; the same command continues") from error


class _ImageMaker:
    """Makes every image that is in no index, several at a time; a broken image is reported and skipped."""

    def __init__(self, copy: Copy, host: PluginHost, indices: Mapping[str, CopiedImages], show: Display) -> None:
        self._copy, self._indices, self._show = copy, indices, show
        self._corruptor = Corruptor(host, {c.name: c for c in copy.conditions}, copy.seed)
        self._stop = threading.Event()
        self._pending: set[Future[list[str]]] = set()
        self._outcome = CopyOutcome(kept=self._count())
        self._reported: set[str] = set()

    def run(self, workers: int) -> CopyOutcome:
        """Make the images with so many threads."""
        count = len(self._copy.opened.samples)
        self._show.begin(count * len(self._indices) - self._outcome.kept, len(self._indices))
        pool = ThreadPoolExecutor(workers)
        try:
            for sample in self._copy.opened.samples:
                self._pending.add(pool.submit(self._make, sample))
                self._collect(2 * workers)
            self._collect(0)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        return self._outcome

    def _make(self, sample: Sample) -> list[str]:
        """Make an image under every condition that lacks it; return the errors."""
        missing = [c for c in self._copy.conditions if sample.image_id not in self._indices[c.name].entries]
        if not missing or self._stop.is_set():
            return []
        try:
            pixels = decode(sample)
        except ImageError as error:
            return [str(error)]
        errors = []
        for condition in missing:
            if self._stop.is_set():
                break
            try:
                corrupted = self._corruptor(pixels, condition, sample, self._copy.opened.entry.dataset)
                self._indices[condition.name].add(sample.image_id, corrupted.pixels, corrupted.drawn, self._copy.kind)
            except ImageError as error:
                errors.append(f"{condition.name}: {error}")
        return errors

    def _collect(self, limit: int) -> None:
        """Wait until at most `limit` images are pending, and report the finished ones."""
        while len(self._pending) > limit:
            done, self._pending = wait(self._pending, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                for error in future.result():
                    self._outcome.errors.append(error)
                    self._show.say(f"FAILED {error}")
            made = self._count() - self._outcome.kept
            self._show.advance(made - self._outcome.made)
            self._outcome.made = made
            for name, index in self._indices.items():
                if len(index.entries) == len(self._copy.opened.samples) and name not in self._reported:
                    self._reported.add(name)
                    self._show.cell_settled(name, None)

    def _count(self) -> int:
        return sum(len(index.entries) for index in self._indices.values())


def _file_names(samples: Sequence[Sample], kind: str) -> dict[int, str]:
    """Return a file name for every image: its own with the new ending, or its id if that is taken or unsafe."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    unnamed = []
    for sample in samples:
        own = PurePosixPath(str(sample))
        name = own.with_suffix(f".{kind}") if own.name else own
        if not own.name or name.is_absolute() or ".." in name.parts or str(name).lower() in taken:
            unnamed.append(sample.image_id)
            continue
        taken.add(str(name).lower())
        names[sample.image_id] = str(name)
    for image_id in unnamed:
        free = (f"image-{image_id}{'-' * more}.{kind}" for more in itertools.count())
        names[image_id] = next(name for name in free if name not in taken)
        taken.add(names[image_id])
    return names


def _ground_truth(opened: OpenDataset, names: Mapping[int, str]) -> bytes:
    """Return the instances of the copied images, as COCO's JSON."""
    try:
        truth = opened.dataset.ground_truth("instances")
    except KeyError as error:
        raise DataError(f"{opened.entry.id}: has no instances, so no annotations to export") from error
    content = {
        **{key: value for key, value in truth.items() if key in ("info", "licenses")},
        "images": [{**i, "file_name": names[i["id"]]} for i in truth["images"] if i["id"] in names],
        "annotations": [a for a in truth["annotations"] if a["image_id"] in names],
        "categories": truth["categories"],
    }
    return json.dumps(content, default=_plain).encode()


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: for bytes (RLE counts) the text, for numpy's values Python's."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    if hasattr(value, "tolist"):
        return value.tolist()
    raise DataError(f"annotations hold a {type(value).__name__}, which JSON does not: {value!r:.60}")
