"""``coco/panoptic``: COCO's panoptic format, a JSON file and a folder of PNG files whose colours are segment ids."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as rle
from segharness import Category, DataError, Sample

from segharness_coco.annotations import structure
from segharness_coco.dataset import image_samples
from segharness_coco.names import ALIASES


class CocoPanoptic:
    """A COCO-format panoptic data set; images in the order of their ids. Things serve as instances too.

    Args:
        annotations: the JSON file.
        segments: the folder of the PNG files; the file's name without ``.json`` when None, as COCO lays them.
        images: the folder of the images; None where no model is run here.

    Raises:
        DataError: the JSON is broken, or files are missing.
    """

    def __init__(self, annotations: str, segments: str | None = None, images: str | None = None) -> None:
        self._file = Path(annotations)
        self._folder = Path(segments) if segments is not None else self._file.with_suffix("")
        raw, self._content = _read(self._file)
        if not self._folder.is_dir():
            raise DataError(f"{self._folder}: no folder of PNG files; give it as `segments`")
        missing = [
            a["file_name"] for a in self._content["annotations"] if not (self._folder / a["file_name"]).is_file()
        ]
        if missing:
            raise DataError(f"{self._folder}: {len(missing)} PNG files are missing, first {missing[0]}")
        self.categories: Sequence[Category] = [
            Category(c["id"], c["name"], ALIASES.get(c["name"], ())) for c in self._content["categories"]
        ]
        self._samples, digest = image_samples(self._content["images"], Path(images) if images is not None else None)
        sizes = [(a["file_name"], (self._folder / a["file_name"]).stat().st_size) for a in self._content["annotations"]]
        self.digest = hashlib.sha256(json.dumps([hashlib.sha256(raw).hexdigest(), sizes, digest]).encode()).hexdigest()
        self._segments: list[dict[str, Any]] | None = None

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return every segment for ``"panoptic"``, things alone for ``"instances"``: one annotation each, with its RLE.

        Raises:
            KeyError: another kind.
            DataError: a PNG file holds other segments than the JSON says.
        """
        if kind not in ("panoptic", "instances"):
            raise KeyError(kind)
        if self._segments is None:
            self._segments = list(self._read_segments())
        things = {c["id"] for c in self._content["categories"] if c["isthing"]}
        kept = self._segments if kind == "panoptic" else [s for s in self._segments if s["category_id"] in things]
        categories = [c for c in self._content["categories"] if kind == "panoptic" or c["id"] in things]
        return {"images": self._content["images"], "annotations": kept, "categories": categories}

    def _read_segments(self) -> Any:
        sizes = {image["id"]: (image["height"], image["width"]) for image in self._content["images"]}
        number = 0
        for annotation in self._content["annotations"]:
            path = self._folder / annotation["file_name"]
            ids = _segment_ids(path)
            if ids.shape != sizes[annotation["image_id"]]:
                raise DataError(f"{path}: is {ids.shape}, its image {sizes[annotation['image_id']]} (height, width)")
            declared = {segment["id"] for segment in annotation["segments_info"]}
            drawn = set(np.unique(ids).tolist()) - {0}
            if declared != drawn:
                odd = sorted(declared ^ drawn)[0]
                where = "the JSON file alone" if odd in declared else "the PNG file alone"
                raise DataError(f"{path}: segment {odd} is in {where}")
            for segment in annotation["segments_info"]:
                mask = rle.encode(np.asfortranarray((ids == segment["id"]).astype(np.uint8)))
                number += 1
                yield {
                    "id": number,
                    "image_id": annotation["image_id"],
                    "category_id": segment["category_id"],
                    "iscrowd": int(segment.get("iscrowd", 0)),
                    "area": float(rle.area(mask)),
                    "bbox": rle.toBbox(mask).tolist(),
                    "segmentation": {"size": list(ids.shape), "counts": mask["counts"].decode()},
                }


def _segment_ids(path: Path) -> npt.NDArray[np.int64]:
    """Return the segment of every pixel, R + 256 G + 256^2 B; 0 is void."""
    try:
        with Image.open(path) as picture:
            if picture.mode not in ("RGB", "RGBA"):
                raise DataError(f"{path}: is {picture.mode}, not RGB: its colours are no segment ids")
            pixels = np.asarray(picture.convert("RGB")).astype(np.int64)
    except OSError as error:
        raise DataError(f"{path}: cannot be decoded: {error}") from error
    found: npt.NDArray[np.int64] = pixels @ np.array([1, 256, 65536])
    return found


def _read(file: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = file.read_bytes()
        content = json.loads(raw)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
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


def _problems(content: Any) -> Iterator[str]:
    """Yield what keeps a file from being COCO's panoptic format; references are looked at only where every key is there."""
    found = list(_malformed(content))
    yield from found
    if found:
        return
    for key, name in (("images", "id"), ("categories", "id"), ("categories", "name"), ("annotations", "image_id")):
        counts = Counter(item[name] for item in content[key])
        yield from (f"{key}: the {name} {value} is given {n} times" for value, n in counts.items() if n > 1)
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
