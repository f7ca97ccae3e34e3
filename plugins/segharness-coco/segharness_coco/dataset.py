"""Data sets in COCO's format: any, COCO 2017 itself, the domains of COCO-O, LVIS v1."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segharness import Category, DataError, Sample
from segharness.files import File, Tree

from segharness_coco.annotations import Annotations
from segharness_coco.names import ALIASES

_MOST = 10


@dataclass(frozen=True)
class Images:
    """Where the image files of a data set lie: in a folder of a tree, or directly in it."""

    tree: Tree
    folder: str = ""

    def find(self, name: str) -> File | None:
        return self.tree.find(f"{self.folder}/{name}" if self.folder else name)

    def __str__(self) -> str:
        return f"{self.tree}/{self.folder}" if self.folder else str(self.tree)


class CocoFile:
    """Images and an annotation file; images in the order of their ids.

    The digest covers the annotation file, and the name and size of every image file.

    Args:
        file: the annotations.
        images: where the images are; None for annotations without pixels, enough for models that were run elsewhere.
        names: the key of images that `file_name` is taken from, as ``folder/name``, if they have none: LVIS's ``coco_url``.

    Raises:
        DataError: the annotation file is broken, or images are missing; the message names them.
    """

    def __init__(self, file: File, images: Images | None, names: str | None = None) -> None:
        found = Annotations(file, names)
        self._content = found.content
        for annotation in self._content["annotations"]:
            annotation.setdefault("iscrowd", 0)
        self.categories: Sequence[Category] = [
            Category(c["id"], c["name"], ALIASES.get(c["name"], ())) for c in self._content["categories"]
        ]
        self._samples, images_digest = image_samples(self._content["images"], images)
        self.digest = (
            hashlib.sha256((found.sha256 + images_digest).encode(errors="surrogatepass")).hexdigest()
            if images
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


class CocoInstances(CocoFile):
    """``coco/instances``: any annotation file, and the folder or zip archive that its `file_name` is relative to."""

    def __init__(self, annotations: str, images: str | None = None) -> None:
        place = Images(Tree(images)) if images is not None else None
        super().__init__(_file(Path(annotations)), place)


class Coco2017(CocoFile):
    """``coco/2017``: a split as it is shipped, under one root: ``annotations/`` and the images, or their archives."""

    def __init__(self, root: str, split: str = "val2017") -> None:
        tree = Tree(root)
        file = _in(tree, f"annotations/instances_{split}.json", "coco/2017")
        super().__init__(file, Images(tree, split))


class CocoO(CocoFile):
    """``coco/o``: one of the six domains of COCO-O, each laid out as COCO val2017."""

    def __init__(self, root: str, domain: str) -> None:
        tree = Tree(root, within="ood_coco")
        file = _in(tree, f"{domain}/annotations/instances_val2017.json", "coco/o")
        super().__init__(file, Images(tree, f"{domain}/val2017"))


class LvisV1(CocoFile):
    """``lvis/v1``: LVIS's annotations of COCO's images, which lie in the folders that ``coco_url`` names."""

    def __init__(self, root: str, split: str = "val", images: str | None = None) -> None:
        file = _in(Tree(root), f"lvis_v1_{split}.json", "lvis/v1")
        super().__init__(file, Images(Tree(images if images is not None else root)), names="coco_url")
        if problems := list(_unlike_lvis(self._content)):
            raise DataError([f"{file.place}: {problem}" for problem in problems[:_MOST]])
        self.categories = [
            _with_synonyms(c, known) for c, known in zip(self.categories, self._content["categories"], strict=True)
        ]


def _file(path: Path) -> File:
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return File(path.name, stat.st_size, stat.st_mtime_ns, path)


def _in(tree: Tree, name: str, spec: str) -> File:
    if (file := tree.find(name)) is None:
        raise DataError(f"{tree}: no {name}; `segharness datasets {spec}` shows how the files must lie")
    return file


def _with_synonyms(category: Category, known: Mapping[str, Any]) -> Category:
    """Return a category of LVIS, which models may call by its synonyms."""
    synonyms = known.get("synonyms")
    own = tuple(s for s in synonyms if isinstance(s, str)) if isinstance(synonyms, list) else ()
    return replace(category, aliases=tuple(dict.fromkeys((*category.aliases, *own))))


def _unlike_lvis(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what LVIS's protocol needs and a file lacks."""
    for category in content["categories"]:
        if category.get("frequency") not in ("r", "c", "f"):
            yield f"category {category['id']}: `frequency` is {category.get('frequency')!r:.60}, not r, c or f"
    known = {category["id"] for category in content["categories"]}
    for image in content["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            ids = image.get(key)
            if not isinstance(ids, list) or not all(type(id) is int and id in known for id in ids):
                yield f"image {image['id']}: `{key}` is {ids!r:.60}, not a list of ids of categories"


def image_samples(images: Sequence[Mapping[str, Any]], place: Images | None) -> tuple[list[Sample], str]:
    """Return the samples of the images of a COCO file, by rising id, and a line for each file's name and size.

    Raises:
        DataError: images are missing.
    """
    samples, lines, missing = [], [], []
    for image in sorted(images, key=lambda image: image["id"]):
        name = image["file_name"]
        source: Any = _no_pixels
        if place is not None:
            if (file := place.find(name)) is None:
                missing.append(name)
                continue
            source = file.source
            lines.append(f"{name}:{file.size}\n")
        samples.append(Sample(image["id"], source, image["height"], image["width"], name))
    if missing:
        shown = ", ".join(missing[:_MOST]) + (f" and {len(missing) - _MOST} more" if len(missing) > _MOST else "")
        raise DataError(f"{place}: {len(missing)} of {len(images)} images are missing: {shown}")
    return samples, "".join(lines)


def _no_pixels() -> bytes:
    """Stand for images that are not there."""
    raise FileNotFoundError(errno.ENOENT, "no folder", "the suite gives the data set no folder `images`")
