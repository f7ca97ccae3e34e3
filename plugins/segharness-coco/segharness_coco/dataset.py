"""Data sets in COCO's instance format: any annotation file, COCO 2017, the domains of COCO-O, and LVIS v1."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from segharness import Category, DataError, Sample, coded
from segharness.files import File, FilesByName, Tree

from segharness_coco.annotations import Annotations
from segharness_coco.names import ALIASES

_MOST = 10


@dataclass(frozen=True)
class Images:
    """The image files of a data set.

    Attributes:
        tree: the files.
        folder: the folder of the tree that holds the images; "" if they lie directly in the tree.
    """

    tree: Tree
    folder: str = ""

    @cached_property
    def meant(self) -> FilesByName:
        """The files by the names that annotations give them."""
        return FilesByName(self.tree, self.folder)

    def __str__(self) -> str:
        return f"{self.tree}/{self.folder}" if self.folder else str(self.tree)


class CocoFile:
    """A `segharness.Dataset` of an annotation file and images; images are in the order of their ids.

    The digest covers the annotation file, and the name and size of every image file.

    Args:
        file: the annotations.
        images: the image files; None for annotations alone, which suffice for predictions of other programs.
        url_key: the key of a URL, whose last two parts are the `file_name` of images that have none: LVIS's
            ``coco_url``.
        maskless: as of `Annotations`.

    Attributes:
        notes: what was repaired in the annotation file, one line for each kind.
        withheld: why there is no ground truth, of an ``image_info`` file; else None.

    Raises:
        DataError: the annotation file is broken, or images are missing; the message names them.
    """

    def __init__(
        self, file: File, images: Images | None, url_key: str | None = None, maskless: str | None = None
    ) -> None:
        annotations = Annotations(file, url_key, maskless)
        self.notes, self._whole = annotations.notes, annotations.whole
        self._content = annotations.content
        self.withheld = (
            f"{PurePosixPath(file.name).name} has no annotations: they are not public" if annotations.withheld else None
        )
        for annotation in self._content["annotations"]:
            annotation.setdefault("iscrowd", 0)
        self.categories: Sequence[Category] = [
            Category(c["id"], c["name"], ALIASES.get(c["name"], ())) for c in self._content["categories"]
        ]
        self._samples, file_lines = image_samples(self._content["images"], images)
        self.digest = (
            hashlib.sha256((annotations.sha256 + file_lines).encode(errors="surrogatepass")).hexdigest()
            if images
            else annotations.sha256
        )

    def samples(self) -> Sequence[Sample]:
        """Return the images, by rising id."""
        return self._samples

    def ground_truth(self, kind: str) -> Mapping[str, Any]:
        """Return the annotation file's content, with `iscrowd` in every annotation.

        Raises:
            KeyError: `kind` is not ``"instances"``, or there is no ground truth.
        """
        if self.withheld is not None:
            raise KeyError(kind)
        return {"instances": self._content}[kind]

    def repaired(self) -> Mapping[str, Any]:
        """Return all of the annotation file, repaired, as JSON values."""
        return self._whole


class CocoInstances(CocoFile):
    """``coco/instances``: any annotation file.

    Args:
        annotations: the file's path.
        images: the folder or zip archive of the images, to which `file_name` is relative; None without images.
        orientation: as `segharness.Sample.orientation`; None for ``"declared"``.
        maskless: what becomes of objects without a mask where others have one: ``"ignore"``, ``"box"``, ``"drop"``.
    """

    def __init__(
        self,
        annotations: str,
        images: str | None = None,
        orientation: Literal["apply", "stored"] | None = None,
        maskless: Literal["ignore", "box", "drop"] | None = None,
    ) -> None:
        image_files = Images(Tree(images)) if images is not None else None
        super().__init__(_file(Path(annotations)), image_files, maskless=maskless)
        self._samples = oriented(self._samples, orientation)
        self.digest = digest_with(self.digest, orientation, maskless)


class Coco2017(CocoFile):
    """``coco/2017``: a split as COCO ships it.

    Args:
        root: the folder of ``annotations/`` and the images, or of their archives.
        split: ``val2017`` or ``train2017``; or ``test-dev2017`` or ``test2017``, without ground truth.
    """

    def __init__(self, root: str, split: str = "val2017") -> None:
        tree = Tree(root)
        kind = "image_info" if split.startswith("test") else "instances"
        file = _required_file(tree, f"annotations/{kind}_{split}.json", "coco/2017")
        super().__init__(file, Images(tree, split.replace("test-dev", "test")))


class CocoO(CocoFile):
    """``coco/o``: one of the six domains of COCO-O, whose files lie as those of COCO val2017.

    Args:
        root: the folder of the domains, or of ``ood_coco.zip``.
        domain: ``cartoon``, ``handmake``, ``painting``, ``sketch``, ``tattoo`` or ``weather``.
    """

    def __init__(self, root: str, domain: str) -> None:
        tree = Tree(root, within="ood_coco")
        file = _required_file(tree, f"{domain}/annotations/instances_val2017.json", "coco/o")
        super().__init__(file, Images(tree, f"{domain}/val2017"))


class LvisV1(CocoFile):
    """``lvis/v1``: LVIS's annotations of COCO's images, whose folders and names are the end of ``coco_url``.

    Args:
        root: the folder of the annotation file, or of its archive.
        split: ``val`` or ``train``.
        images: the folder of ``train2017`` and ``val2017``; the root if None.
    """

    def __init__(self, root: str, split: str = "val", images: str | None = None) -> None:
        file = _required_file(Tree(root), f"lvis_v1_{split}.json", "lvis/v1")
        super().__init__(file, Images(Tree(images if images is not None else root)), url_key="coco_url")
        if problems := list(_lvis_problems(self._content)):
            raise DataError([f"{file.shown}: {problem}" for problem in problems[:_MOST]])
        self.categories = [
            _with_synonyms(category, entry)
            for category, entry in zip(self.categories, self._content["categories"], strict=True)
        ]


def _file(path: Path) -> File:
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return File(path.name, stat.st_size, stat.st_mtime_ns, path)


def _required_file(tree: Tree, name: str, spec: str) -> File:
    """Return a file of a tree, which the data set of a spec must have."""
    if (file := tree.find(name)) is None:
        raise DataError(f"{tree}: no {name}; `segharness datasets {spec}` shows how the files must lie")
    return file


def _with_synonyms(category: Category, entry: Mapping[str, Any]) -> Category:
    """Return a category with the synonyms of its entry in LVIS's file as aliases."""
    synonyms = entry.get("synonyms")
    names = tuple(s for s in synonyms if isinstance(s, str)) if isinstance(synonyms, list) else ()
    return replace(category, aliases=tuple(dict.fromkeys((*category.aliases, *names))))


def _lvis_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the evaluation `lvis` needs and a file lacks."""
    for category in content["categories"]:
        if category.get("frequency") not in ("r", "c", "f"):
            yield f"category {category['id']}: `frequency` is {category.get('frequency')!r:.60}, not r, c or f"
    category_ids = {category["id"] for category in content["categories"]}
    for image in content["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            ids = image.get(key)
            if not isinstance(ids, list) or not all(type(id) is int and id in category_ids for id in ids):
                yield f"image {image['id']}: `{key}` is {ids!r:.60}, not a list of ids of categories"


def image_samples(images: Sequence[Mapping[str, Any]], image_files: Images | None) -> tuple[list[Sample], str]:
    """Return the samples of a COCO file's images, by rising id, and a text with every image file's name and size.

    Args:
        images: the file's items.
        image_files: the image files; None if there are none, and reading a sample's image then fails.

    Raises:
        DataError: images are missing.
    """
    samples, lines, missing = [], [], []
    files = image_files.meant.find_all([image["file_name"] for image in images]) if image_files is not None else {}
    for image in sorted(images, key=lambda image: image["id"]):
        name = image["file_name"]
        source: Any = _no_pixels
        if image_files is not None:
            if (file := files.get(name)) is None:
                missing.append(name)
                continue
            source = file.source
            lines.append(f"{name}:{file.size}\n")
        samples.append(Sample(image["id"], source, image["height"], image["width"], name))
    if missing:
        shown = ", ".join(missing[:_MOST]) + (f" and {len(missing) - _MOST} more" if len(missing) > _MOST else "")
        near = image_files.meant.nearest(missing[0]) if image_files is not None else None
        hint = f"; the nearest to {missing[0]} is {near}" if near is not None else ""
        raise DataError(
            coded("T01", f"{image_files}: {len(missing)} of {len(images)} images are missing: {shown}{hint}")
        )
    return samples, "".join(lines)


def oriented(samples: Sequence[Sample], orientation: Literal["apply", "stored"] | None) -> list[Sample]:
    """Return samples with an option's choice of `segharness.Sample.orientation`; as they are, if it is None."""
    if orientation is None:
        return list(samples)
    return [replace(sample, orientation=orientation) for sample in samples]


def digest_with(digest: str, *choices: str | None) -> str:
    """Return the digest of a data set with choices that decide pixels or ground truth; None is no choice."""
    for choice in choices:
        if choice is not None:
            digest = hashlib.sha256(f"{digest} {choice}".encode()).hexdigest()
    return digest


def _no_pixels() -> bytes:
    """Raise FileNotFoundError: the source of samples without images."""
    raise FileNotFoundError(errno.ENOENT, "no folder", "the suite gives the data set no folder `images`")
