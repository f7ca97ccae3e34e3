"""``coco/panoptic``: COCO's panoptic format, a JSON file and a folder of PNG files whose colours are segment ids."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from segharness import Category, DataError, Sample
from segharness.files import AnnotationEntry, File, LabelMap, Region, Tree, pixels, read_all

from segharness_coco.annotations import structure
from segharness_coco.dataset import Images, image_samples
from segharness_coco.names import ALIASES

_READER = 1
"""Changes when the same files are read otherwise."""


class CocoPanoptic:
    """A COCO-format panoptic data set; images in the order of their ids. Things serve as instances too.

    Args:
        annotations: the JSON file.
        segments: the folder or zip archive of the PNG files; beside the file, under its name, when None: as COCO lays them.
        images: the folder of the images; None where no model is run here.

    Raises:
        DataError: the JSON is broken, files are missing, or a PNG file holds other segments than the JSON says.
    """

    def __init__(self, annotations: str, segments: str | None = None, images: str | None = None) -> None:
        file = Path(annotations)
        raw, self._content = _read(file)
        tree = _segments(file, segments)
        described = {a["image_id"]: a for a in self._content["annotations"]}
        self._order = list(described)  # segments have been numbered in the order of the annotations from the start
        found = {described[id]["file_name"]: tree.find(described[id]["file_name"]) for id in self._order}
        if missing := [name for name, png in found.items() if png is None]:
            raise DataError(f"{tree}: {len(missing)} PNG files are missing, first {missing[0]}")
        files = {name: (png,) for name, png in found.items() if png is not None}
        self.categories: Sequence[Category] = [
            Category(c["id"], c["name"], ALIASES.get(c["name"], ())) for c in self._content["categories"]
        ]
        place = Images(Tree(images)) if images is not None else None
        self._samples, digest = image_samples(self._content["images"], place)
        sizes = [(a["file_name"], files[a["file_name"]][0].size) for a in self._content["annotations"]]
        sha256 = hashlib.sha256(raw).hexdigest()
        self.digest = hashlib.sha256(json.dumps([sha256, sizes, digest]).encode()).hexdigest()
        shapes = {image["id"]: (image["height"], image["width"]) for image in self._content["images"]}
        by_name = {a["file_name"]: a for a in self._content["annotations"]}
        self._index = read_all(
            "coco/panoptic",
            tree,
            files,
            lambda name: _entry(files[name][0], by_name[name], shapes[by_name[name]["image_id"]]),
            [_READER, sha256],
        )

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return every segment for ``"panoptic"``, things alone for ``"instances"``: one annotation each, with its RLE.

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
    """``coco/panoptic-2017``: a split as it is shipped, under one root.

    Args:
        root: the folder of ``annotations/`` and of the images; PNG files and images may lie in their archives.
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


def _segments(file: Path, given: str | None) -> Tree:
    """Return where the PNG files are: where the suite says, or beside the JSON file, under its name."""
    if given is not None:
        return Tree(given)
    folder = file.with_suffix("")
    beside = next((place for place in (folder, file.with_suffix(".zip")) if place.exists()), None)
    if beside is None:
        raise DataError(f"{folder}: no folder of PNG files, nor a zip archive; give it as `segments`")
    return Tree(beside)


def _entry(png: File, annotation: Mapping[str, Any], shape: tuple[int, int]) -> AnnotationEntry:
    colours = pixels(png, ("RGB", "RGBA"), "its colours are no segment ids").astype(np.int64)
    ids = colours[..., 0] + 256 * colours[..., 1] + 256**2 * colours[..., 2]
    if ids.shape != shape:
        raise DataError(f"{png.place}: is {ids.shape}, its image {shape} (height, width)")
    found = LabelMap(ids)
    declared = {segment["id"] for segment in annotation["segments_info"]}
    drawn = set(found.values.tolist()) - {0}
    if declared != drawn:
        odd = sorted(declared ^ drawn)[0]
        where = "the JSON file alone" if odd in declared else "the PNG file alone"
        raise DataError(f"{png.place}: segment {odd} is in {where}")
    regions = [
        Region(s["id"], s["category_id"], found.mask(s["id"]), bool(s.get("iscrowd", 0)), "panoptic")
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
    """Yield what keeps a file from being COCO's panoptic format; references are looked at only where every key is there."""
    found = list(_malformed(content))
    yield from found
    if found:
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
    for annotation in content["annotations"]:
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
    """Yield every key that is missing or of another kind, and images without size."""
    found = list(structure(content, _NEEDED))
    yield from found
    if found:
        return
    for annotation in content["annotations"]:
        inside = {"segments_info": annotation["segments_info"]}
        yield from (f"annotation {annotation['file_name']}: {problem}" for problem in structure(inside, _SEGMENT))
    for image in content["images"]:
        if min(image["height"], image["width"]) < 1:
            yield f"image {image['id']}: height {image['height']}, width {image['width']}"
