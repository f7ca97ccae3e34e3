"""A corrupted copy of a data set: one folder of images a condition, one annotation file in COCO's format for all.

::

    DIR/annotations.json        the ground truth; file names end in .png
    DIR/manifest.json           the data set, seed, conditions with versions, digests of the indices
    DIR/<condition>.jsonl       a line an image: file, bytes, sha256, digest of the pixels, what a mixture drew
    DIR/<condition>/...         the images

An interrupted copy continues where it was: an image whose line is in the index and whose file has that size is not made
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from segharness.data import OpenDataset
from segharness.errors import DataError, ImageError, StoreError
from segharness.export.files import encoded, write_image
from segharness.plugins import PluginHost
from segharness.records import Condition, Sample
from segharness.runner.image import Corruptor, decode, pixel_digest
from segharness.runner.progress import Display
from segharness.store.atomic import write_atomic

if TYPE_CHECKING:
    from segharness.records import Image

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Copy:
    """What to copy, and where to."""

    opened: OpenDataset
    conditions: Sequence[Condition]
    seed: int
    folder: Path
    kind: str = "png"


@dataclass
class CopyOutcome:
    """How many images were made now, how many were there, and what failed."""

    made: int = 0
    kept: int = 0
    errors: list[str] = field(default_factory=list)


def copy_dataset(copy: Copy, host: PluginHost, show: Display, workers: int | None = None) -> CopyOutcome:
    """Make what is missing of a copy.

    Raises:
        StoreError: the folder holds a copy of something else, or cannot be written.
        DataError: the data set has no instances.
        KeyboardInterrupt: with everything finished so far in the indices.
    """
    samples = copy.opened.samples
    names = _file_names(samples, copy.kind)
    truth = _ground_truth(copy.opened, names)
    manifest = _Manifest.open(copy)
    write_atomic(copy.folder / "annotations.json", json.dumps(truth).encode())
    outcome = CopyOutcome()
    indices = {c.name: _Index(copy.folder, c, names) for c in copy.conditions}
    try:
        corruptor = Corruptor(host, {c.name: c for c in copy.conditions}, copy.seed)
        outcome.kept = sum(len(index.entries) for index in indices.values())
        show.begin(len(samples) * len(indices), len(indices))
        show.advance(outcome.kept)
        _make(copy, corruptor, indices, names, outcome, show, workers or os.cpu_count() or 1)
    finally:
        for index in indices.values():
            index.close()
    if not outcome.errors:
        manifest.finish({name: index.digest() for name, index in indices.items()})
    return outcome


def _make(
    copy: Copy,
    corruptor: Corruptor,
    indices: Mapping[str, _Index],
    names: Mapping[int, str],
    outcome: CopyOutcome,
    show: Display,
    workers: int,
) -> None:
    """Make every image that is in no index, several at a time; a broken one costs itself."""
    stop = threading.Event()

    def one(sample: Sample) -> list[str]:
        missing = [c for c in copy.conditions if sample.image_id not in indices[c.name].entries]
        if not missing or stop.is_set():
            return []
        try:
            pixels = decode(sample)
        except ImageError as error:
            return [str(error)]
        errors = []
        for condition in missing:
            if stop.is_set():
                break
            try:
                found = corruptor(pixels, condition, sample, copy.opened.entry.dataset)
            except ImageError as error:
                errors.append(f"{condition.name}: {error}")
                continue
            indices[condition.name].add(sample.image_id, found.pixels, found.drawn, copy.kind)
        return errors

    waiting: dict[Future[list[str]], int] = {}
    before = outcome.kept

    def collect(wanted: int) -> None:
        nonlocal before
        while len(waiting) > wanted:
            done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                del waiting[future]
                for error in future.result():
                    outcome.errors.append(error)
                    show.say(f"FAILED {error}")
            now = sum(len(index.entries) for index in indices.values())
            show.advance(now - before)
            outcome.made += now - before
            before = now

    pool = ThreadPoolExecutor(workers)
    try:
        for sample in copy.opened.samples:
            waiting[pool.submit(one, sample)] = sample.image_id
            collect(2 * workers)
        collect(0)
    except OSError as error:
        raise StoreError(f"{copy.folder}: cannot be written: {error.strerror}; the same command continues") from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Index:
    """The images that a condition has: a line each, appended when the image is whole; sorted when all are there.

    Attributes:
        entries: by image id, what its line says.
    """

    def __init__(self, folder: Path, condition: Condition, names: Mapping[int, str]) -> None:
        self._folder, self._condition, self._names = folder, condition, names
        self._file = folder / f"{condition.name}.jsonl"
        self.entries: dict[int, dict[str, Any]] = {}
        for line in self._file.read_text().splitlines() if self._file.exists() else ():
            try:
                entry = json.loads(line)
                image = folder / condition.name / names[entry["image_id"]]
                whole = entry["file"] == names[entry["image_id"]] and image.stat().st_size == entry["bytes"]
            except (ValueError, KeyError, TypeError, OSError):
                continue  # a line that was cut off, or an image that is gone: it is made again
            if whole:
                self.entries[entry["image_id"]] = entry
        self._rewrite()
        self._lines = self._file.open("a")
        self._lock = threading.Lock()

    def add(self, image_id: int, pixels: Image, drawn: str | None, kind: str) -> None:
        """Write an image, then its line."""
        data = encoded(pixels, kind)
        write_image(self._folder / self._condition.name / self._names[image_id], data)
        entry = {
            "image_id": image_id,
            "file": self._names[image_id],
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "pixels": f"{pixel_digest(pixels):016x}",
            **({"drawn": drawn.split(",")} if drawn else {}),
        }
        with self._lock:
            self._lines.write(json.dumps(entry) + "\n")
            self._lines.flush()
            self.entries[image_id] = entry

    def close(self) -> None:
        self._lines.close()
        self._rewrite()

    def digest(self) -> dict[str, Any]:
        return {"images": len(self.entries), "index_sha256": hashlib.sha256(self._file.read_bytes()).hexdigest()}

    def _rewrite(self) -> None:
        lines = (json.dumps(self.entries[id]) + "\n" for id in sorted(self.entries))
        write_atomic(self._file, "".join(lines).encode())


@dataclass
class _Manifest:
    """What a copy is a copy of; written first, so that nothing else is mixed into its folder."""

    file: Path
    content: dict[str, Any]

    @classmethod
    def open(cls, copy: Copy) -> _Manifest:
        """Return the manifest of a copy, with the conditions that its folder has already.

        Raises:
            StoreError: the folder holds a copy of something else, or files that are no copy.
        """
        entry, dataset = copy.opened.entry, copy.opened.dataset
        content: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "complete": False,
            "dataset": {
                "name": entry.dataset, "digest": dataset.digest, "images": len(copy.opened.samples)
            },
            "seed": copy.seed,
            "format": copy.kind,
            "conditions": {
                c.name: {"corruption": c.corruption, "severity": c.severity, "version": c.version}
                for c in copy.conditions
            },
        }  # fmt: skip
        file = copy.folder / "manifest.json"
        if file.exists():
            content["conditions"] = _continued(file, content) | content["conditions"]
        elif copy.folder.exists() and any(copy.folder.iterdir()):
            raise StoreError(f"{copy.folder}: is not empty and holds no export; give -o another folder")
        try:
            write_atomic(file, json.dumps(content, indent=1).encode())
        except OSError as error:
            raise StoreError(f"{copy.folder}: cannot be written: {error.strerror}") from error
        return cls(file, content)

    def finish(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        for name, digest in found.items():
            self.content["conditions"][name].update(digest)
        self.content["complete"] = all("images" in c for c in self.content["conditions"].values())
        write_atomic(self.file, json.dumps(self.content, indent=1).encode())


def _continued(file: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions that a folder has beside ours, or raise StoreError when it is a copy of something else."""
    try:
        before = json.loads(file.read_bytes())
        conditions: dict[str, Any] = dict(before["conditions"])
        schema = int(before["schema_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{file}: damaged; remove it, or give -o another folder") from error
    if schema > SCHEMA_VERSION:
        raise StoreError(f"{file}: was written by a newer segharness (schema {schema}); upgrade")
    changed = [key for key in ("dataset", "seed", "format") if before.get(key) != content[key]]
    changed += [
        f"version of {name}"
        for name, one in content["conditions"].items()
        if name in conditions and conditions[name].get("version") != one["version"]
    ]
    if changed:
        raise StoreError(
            f"{file.parent}: holds an export of other inputs ({', '.join(changed)}); give -o another folder or remove it"
        )
    return conditions


def _file_names(samples: Sequence[Sample], kind: str) -> dict[int, str]:
    """Return a file name for every image: its own with another ending, or its number where that is taken or leads away."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for sample in samples:
        name = PurePosixPath(str(sample)).with_suffix(f".{kind}")
        if name.is_absolute() or ".." in name.parts or str(name).lower() in taken:
            name = PurePosixPath(f"image-{sample.image_id}.{kind}")
        taken.add(str(name).lower())
        found[sample.image_id] = str(name)
    return found


def _ground_truth(opened: OpenDataset, names: Mapping[int, str]) -> dict[str, Any]:
    """Return the instances of the images that are copied, as COCO's JSON."""
    try:
        truth = opened.dataset.ground_truth("instances")
    except KeyError as error:
        raise DataError(f"{opened.entry.id}: has no instances, so no annotations to export") from error
    return {
        **{key: value for key, value in truth.items() if key in ("info", "licenses")},
        "images": [{**i, "file_name": names[i["id"]]} for i in truth["images"] if i["id"] in names],
        "annotations": [_plain(a) for a in truth["annotations"] if a["image_id"] in names],
        "categories": truth["categories"],
    }


def _plain(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an annotation as JSON can hold it: the counts of an RLE as text."""
    shape = annotation["segmentation"]
    if isinstance(shape, dict) and isinstance(shape["counts"], bytes):
        return {**annotation, "segmentation": {**shape, "counts": shape["counts"].decode()}}
    return dict(annotation)
