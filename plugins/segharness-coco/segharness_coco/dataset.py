"""``coco/instances``: images in a folder, instances in an annotation file."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segharness import Category, DataError, Sample

from segharness_coco.annotations import Annotations
from segharness_coco.names import ALIASES

_MOST = 10


class CocoInstances:
    """A COCO-format instance data set; images in the order of their ids.

    The digest covers the annotation file and the name and size of every image file.

    Args:
        annotations: the JSON file.
        images: the folder that `file_name` is relative to. Without one there are annotations, and no pixels: enough for
            models that were run elsewhere.

    Raises:
        DataError: the annotation file is broken, or images are missing; the message names them.
    """

    def __init__(self, annotations: str, images: str | None = None) -> None:
        folder = Path(images) if images is not None else None
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder}: not a folder")
        found = Annotations(Path(annotations))
        self._content = found.content
        for annotation in self._content["annotations"]:
            annotation.setdefault("iscrowd", 0)
        self.categories: Sequence[Category] = [
            Category(c["id"], c["name"], ALIASES.get(c["name"], ())) for c in self._content["categories"]
        ]
        self._samples, images_digest = image_samples(self._content["images"], folder)
        self.digest = (
            hashlib.sha256((found.sha256 + images_digest).encode(errors="surrogatepass")).hexdigest()
            if folder
            else found.sha256
        )

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the annotation file's content for ``"instances"``.

        Raises:
            KeyError: another kind.
        """
        return {"instances": self._content}[kind]


def image_samples(images: Sequence[Mapping[str, Any]], folder: Path | None) -> tuple[list[Sample], str]:
    """Return the samples of the images of a COCO file, by rising id, and a line for each file's name and size.

    Raises:
        DataError: images are missing from the folder.
    """
    samples = [
        Sample(
            image["id"],
            folder / image["file_name"] if folder is not None else _no_pixels,
            image["height"],
            image["width"],
            image["file_name"],
        )
        for image in sorted(images, key=lambda image: image["id"])
    ]
    return samples, _sizes(samples, folder) if folder is not None else ""


def _no_pixels() -> bytes:
    """Stand for images that are not there."""
    raise FileNotFoundError(errno.ENOENT, "no folder", "the suite gives the data set no folder `images`")


def _sizes(samples: Sequence[Sample], folder: Path) -> str:
    lines, missing = [], []
    for sample in samples:
        assert isinstance(sample.source, Path)
        try:
            lines.append(f"{sample.name}:{sample.source.stat().st_size}\n")
        except (OSError, ValueError):  # a name may hold what no file name can
            missing.append(sample.name)
    if missing:
        shown = ", ".join(missing[:_MOST]) + (f" and {len(missing) - _MOST} more" if len(missing) > _MOST else "")
        raise DataError(f"{folder}: {len(missing)} of {len(samples)} images are missing: {shown}")
    return "".join(lines)
