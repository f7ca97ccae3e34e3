"""Data sets in COCO's panoptic format: a JSON file, and a folder of PNG files whose colours are segment ids."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from segharness import Category, DataError, Sample
from segharness.files import AnnotationEntry, File, FilesByName, LabelMap, Region, Tree, read_index, read_pixels

from segharness_coco.annotations import structure_problems
from segharness_coco.dataset import Images, digest_with, image_samples, oriented
from segharness_coco.names import aliases

_READER = 1
"""The version of the reader; it changes when the same files give another result."""


class CocoPanoptic:
    """``coco/panoptic``: any data set in COCO's panoptic format, as a `segharness.Dataset`.

    Images are in the order of their ids. The things serve as instances too.

    Args:
        annotations: the JSON file.
        segments: the folder or zip archive of the PNG files; if None, the one with the JSON file's name beside it, as
            in COCO.
        images: the folder or zip archive of the images; None if no model is run.
        orientation: as `segharness.Sample.orientation`; None for ``"declared"``.

    Raises:
        DataError: the JSON is broken, files are missing, or a PNG file holds other segments than the JSON says.
    """

    def __init__(
        self,
        annotations: str,
        segments: str | None = None,
        images: str | None = None,
        orientation: Literal["apply", "stored"] | None = None,
    ) -> None:
        file = Path(annotations)
        raw, self._content = _read(file)
        tree = _segments(file, segments)
        described = {a["image_id"]: a for a in self._content["annotations"]}
        self._order = list(described)  # segments are numbered in the order of the annotations, as in the first version
        names = [described[id]["file_name"] for id in self._order]
        meant = FilesByName(tree).find_all(names)
        pngs = {name: meant.get(name) for name in names}
        if missing := [name for name, png in pngs.items() if png is None]:
            raise DataError(f"{tree}: {len(missing)} PNG files are missing, first {missing[0]}")
        files = {name: (png,) for name, png in pngs.items() if png is not None}
        self.categories: Sequence[Category] = [
            Category(c["id"], c["name"], aliases(c["name"])) for c in self._content["categories"]
        ]
        image_files = Images(Tree(images)) if images is not None else None
        samples, file_lines = image_samples(self._content["images"], image_files)
        self._samples = oriented(samples, orientation)
        sizes = [(a["file_name"], files[a["file_name"]][0].size) for a in self._content["annotations"]]
        sha256 = hashlib.sha256(raw).hexdigest()
        digest = hashlib.sha256(json.dumps([sha256, sizes, file_lines]).encode()).hexdigest()
        self.digest = digest_with(digest, orientation)
        shapes = {image["id"]: (image["height"], image["width"]) for image in self._content["images"]}
        by_name = {a["file_name"]: a for a in self._content["annotations"]}
        self._index = read_index(
            "coco/panoptic",
            tree,
            files,
            lambda name: _entry(files[name][0], by_name[name], shapes[by_name[name]["image_id"]]),
            [_READER, sha256],
        )

    def samples(self) -> Sequence[Sample]:
        """Return the images, by rising id."""
        return self._samples

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return one annotation with an RLE for every segment, or for every thing.

        Args:
            kind: ``"panoptic"`` for all segments, ``"instances"`` for the things.

        Raises:
            KeyError: another kind.
        """
        if kind not in ("panoptic", "instances"):
            raise KeyError(kind)
        segments = self._index.annotations("panoptic", self._order)
        things = {c["id"] for c in self._content["categories"] if c["isthing"]}
        kept = segments if kind == "panoptic" else [s for s in segments if s["category_id"] in things]
        categories = [c for c in self._content["categories"] if kind == "panoptic" or c["id"] in things]
        return {"images": self._content["images"], "annotations": kept, "categories": categories}


class Panoptic2017(CocoPanoptic):
    """``coco/panoptic-2017``: a split as COCO ships it.

    Args:
        root: the folder of ``annotations/`` and the images; PNG files and images may be in their zip archives.
        split: ``val2017`` or ``train2017``.

    Raises:
        DataError: as `CocoPanoptic`.
    """

    def __init__(self, root: str, split: str = "val2017") -> None:
        file = Path(root) / f"annotations/panoptic_{split}.json"
        if not file.is_file():
            raise DataError(
                f"{root}: no annotations/{file.name}; `segharness datasets coco/panoptic-2017` shows how the files must lie"
            )
        images = Path(root) / split
        super().__init__(str(file), None, str(images if images.is_dir() else images.with_suffix(".zip")))


def _segments(file: Path, segments: str | None) -> Tree:
    """Return the PNG files: those of the option `segments`, or those beside the JSON file, under its name."""
    if segments is not None:
        return Tree(segments)
    folder = file.with_suffix("")
    beside = next((path for path in (folder, file.with_suffix(".zip")) if path.exists()), None)
    if beside is None:
        raise DataError(f"{folder}: no folder of PNG files, nor a zip archive; give it as `segments`")
    return Tree(beside)


def _entry(png: File, annotation: Mapping[str, Any], shape: tuple[int, int]) -> AnnotationEntry:
    colours = read_pixels(png, ("RGB", "RGBA"), "its colours are no segment ids").astype(np.int64)
    ids = colours[..., 0] + 256 * colours[..., 1] + 256**2 * colours[..., 2]
    if ids.shape != shape:
        raise DataError(f"{png.shown}: is {ids.shape}, its image {shape} (height, width)")
    label_map = LabelMap(ids)
    declared = {info["id"] for info in annotation["segments_info"]}
    drawn = set(label_map.values.tolist()) - {0}
    if declared != drawn:
        segment = sorted(declared ^ drawn)[0]
        where = "the JSON file alone" if segment in declared else "the PNG file alone"
        raise DataError(f"{png.shown}: segment {segment} is in {where}")
    regions = [
        Region(s["id"], s["category_id"], label_map.mask(s["id"]), bool(s.get("iscrowd", 0)), "panoptic")
        for s in annotation["segments_info"]
    ]
    return AnnotationEntry(*shape, regions)


def _read(file: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = file.read_bytes()
        content = json.loads(raw)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON: {error}") from error
    problems = list(_problems(content))
    if problems:
        shown = [f"{file}: {problem}" for problem in problems[:_MOST]]
        raise DataError(
            [*shown, f"{file}: and {len(problems) - _MOST} more problems"] if len(problems) > _MOST else shown
        )
    return raw, content


_NEEDED: dict[str, dict[str, type]] = {
    "images": {"id": int, "file_name": str, "height": int, "width": int},
    "annotations": {"image_id": int, "file_name": str, "segments_info": list},
    "categories": {"id": int, "name": str, "isthing": int},
}
_SEGMENT: dict[str, dict[str, type]] = {"segments_info": {"id": int, "category_id": int}}
_MOST = 20

_UNIQUE = (
    ("images", "id"),
    ("categories", "id"),
    ("categories", "name"),
    ("annotations", "image_id"),
    ("annotations", "file_name"),
)


def _problems(content: Any) -> Iterator[str]:
    """Yield the problems of a file; ids and references are checked only if its structure is right."""
    malformed = list(_malformed(content))
    yield from malformed
    if malformed:
        return
    for key, name in _UNIQUE:
        counts = Counter(item[name] for item in content[key])
        yield from (f"{key}: the {name} {value} is given {n} times" for value, n in counts.items() if n > 1)
    for key, most in (("images", 2**63), ("categories", 2**31)):
        yield from (f"{key}: the id {i['id']} is out of range" for i in content[key] if not 0 <= i["id"] < most)
    images = {image["id"] for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    described = {annotation["image_id"] for annotation in content["annotations"]}
    yield from (f"image {id} has no annotation" for id in sorted(images - described))
    yield from (f"annotation of image {id}: its image is not in the file" for id in sorted(described - images))
    yield from segment_problems(content["annotations"], categories)


def segment_problems(annotations: Sequence[Mapping[str, Any]], categories: Collection[int]) -> Iterator[str]:
    """Yield the problems of the segments of a panoptic file.

    Args:
        annotations: its items, whose structure is right.
        categories: the ids of its categories.
    """
    for annotation in annotations:
        where = f"annotation {annotation['file_name']}"
        segments = annotation["segments_info"]
        counts = Counter(segment["id"] for segment in segments)
        yield from (f"{where}: segment {id} is given {n} times" for id, n in counts.items() if n > 1)
        for segment in segments:
            if segment["category_id"] not in categories:
                yield f"{where}: segment {segment['id']}: its category {segment['category_id']} is not in the file"
            if segment.get("iscrowd", 0) not in (0, 1):
                yield f"{where}: segment {segment['id']}: iscrowd {segment['iscrowd']!r:.60} is neither 0 nor 1"


def _malformed(content: Any) -> Iterator[str]:
    """Yield every missing key, every value of a wrong type, and images without a size."""
    problems = list(structure_problems(content, _NEEDED))
    yield from problems
    if problems:
        return
    for annotation in content["annotations"]:
        segments = {"segments_info": annotation["segments_info"]}
        yield from (
            f"annotation {annotation['file_name']}: {problem}" for problem in structure_problems(segments, _SEGMENT)
        )
    for image in content["images"]:
        if min(image["height"], image["width"]) < 1:
            yield f"image {image['id']}: height {image['height']}, width {image['width']}"
