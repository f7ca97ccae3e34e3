"""The same street scenes in three forms, each written by its own lines here: COCO's, Cityscapes' and BDD100K's.

A scene is pixels and a list of objects (class, kind, mask), from the farthest to the nearest: a pixel belongs to the last
object that covers it. Kinds are ``instance``, ``group`` (a crowd) and ``void``.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CITYSCAPES = {
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
BDD100K = {"person": 1, "rider": 2, "car": 3, "truck": 4, "bus": 5, "train": 6, "motorcycle": 7, "bicycle": 8}


@dataclass
class Scene:
    """``owner`` (H, W) is the number of the object that a pixel belongs to, from 1; 0 is road."""

    pixels: np.ndarray
    owner: np.ndarray
    objects: list[tuple[str, str]]


def scene(pixels: np.ndarray, objects: list[tuple[str, str, np.ndarray]]) -> Scene:
    """Return the scene of objects that cover each other; those that nothing is left of are not in it."""
    owner = np.zeros(pixels.shape[:2], dtype=np.int64)
    for number, (_, _, mask) in enumerate(objects, 1):
        owner[mask] = number
    left = [number for number in range(1, len(objects) + 1) if (owner == number).any()]
    renumbered = np.zeros_like(owner)
    for new, old in enumerate(left, 1):
        renumbered[owner == old] = new
    return Scene(pixels, renumbered, [objects[old - 1][:2] for old in left])


def street(rng: np.random.Generator, height: int, width: int) -> Scene:
    """Return a made-up scene of ellipses and boxes in colours of their class."""
    pixels = rng.integers(70, 100, (height, width, 3), dtype=np.uint8)
    y, x = np.mgrid[:height, :width]
    objects = []
    for _ in range(int(rng.integers(3, 9))):
        name = list(CITYSCAPES)[int(rng.integers(8))]
        kind = "instance" if rng.random() < 0.8 else "group"
        cy, cx = rng.integers(height), rng.integers(width)
        h, w = rng.integers(height // 12, height // 3), rng.integers(width // 20, width // 4)
        mask = (
            (abs(y - cy) < h) & (abs(x - cx) < w)
            if rng.random() < 0.5
            else ((y - cy) / h) ** 2 + ((x - cx) / w) ** 2 < 1
        )
        pixels[mask] = np.array([40 + 25 * CITYSCAPES[name] % 200, 200 - CITYSCAPES[name] * 4, 90]) + rng.integers(
            0, 9, 3
        )
        objects.append((name, kind, mask))
    return scene(pixels, objects)


def write_cityscapes(root: Path, scenes: dict[str, Scene], split: str = "val") -> None:
    """Write ``leftImg8bit`` and ``gtFine``; names are ``CITY_SEQUENCE_FRAME``."""
    for name, found in scenes.items():
        city = name.split("_")[0]
        values = np.full(found.owner.shape, 7)  # road
        counts: dict[str, int] = {}
        for number, (label, kind) in enumerate(found.objects, 1):
            value = {"void": 4, "group": CITYSCAPES.get(label, 0)}.get(kind)
            if value is None:
                value = 1000 * CITYSCAPES[label] + counts.setdefault(label, 0)
                counts[label] += 1
            values[found.owner == number] = value
        _save(found.pixels, root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png")
        _save(values.astype(np.uint16), root / f"gtFine/{split}/{city}/{name}_gtFine_instanceIds.png")


def write_bdd100k(
    root: Path, scenes: dict[str, Scene], split: str = "val", form: str = "bitmasks", first: int = 1
) -> None:
    """Write images as PNG (a JPEG would change them), and bitmasks or the JSON with RLEs; numbers begin with `first`."""
    frames = []
    for name, found in scenes.items():
        bitmask = np.zeros((*found.owner.shape, 4), dtype=np.uint8)
        labels = []
        for number, (label, kind) in enumerate(found.objects, 1):
            where = found.owner == number
            attributes = {"instance": 4, "group": 2, "void": 1}[kind]
            id = number + first - 1
            bitmask[where] = [BDD100K.get(label, 3), attributes, id >> 8, id & 255]
            attributed = {"crowd": kind == "group", "ignored": kind == "void", "occluded": True, "truncated": False}
            category = {"person": "pedestrian"}.get(label, label)
            labels.append({"id": str(id), "category": category, "attributes": attributed, "rle": rle(where)})
        _save(found.pixels, root / f"images/10k/{split}/{name}.png")
        if form == "bitmasks":
            _save(bitmask, root / f"labels/ins_seg/bitmasks/{split}/{name}.png")
        frames.append({"name": f"{name}.jpg", "labels": labels})
    if form == "rles":
        file = root / f"labels/ins_seg/rles/ins_seg_{split}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"frames": frames}))


def write_coco(root: Path, scenes: dict[str, Scene], split: str = "val2017", ids: dict[str, int] = CITYSCAPES) -> None:
    """Write ``annotations/`` and the images; categories get `ids`."""
    content = {"images": [], "annotations": [], "categories": [{"id": id, "name": name} for name, id in ids.items()]}
    for image_id, (name, found) in enumerate(scenes.items(), 1):
        height, width = found.owner.shape
        content["images"].append({"id": image_id, "file_name": f"{name}.png", "height": height, "width": width})
        _save(found.pixels, root / split / f"{name}.png")
        for number, (label, kind) in enumerate(found.objects, 1):
            if kind == "void":
                continue
            where = found.owner == number
            y, x = np.nonzero(where)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": ids[label],
                    "iscrowd": int(kind == "group"),
                    "area": int(where.sum()),
                    "bbox": [int(v) for v in (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)],
                    "segmentation": rle(where),
                }
            )
    file = root / f"annotations/instances_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def rle(mask: np.ndarray) -> dict:
    """Return a mask's uncompressed run lengths, down the columns, zeros first."""
    flat = mask.T.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    return {"size": list(mask.shape), "counts": [int(n) for n in np.diff(edges, prepend=0)]}


def zipped(folder: Path, archive: Path, top: str = "") -> None:
    """Move a folder into a zip archive, under its own name, or under ``top/`` too."""
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            opened.write(path, f"{top}{path.relative_to(folder.parent)}")
            path.unlink()
    for path in sorted((p for p in folder.rglob("*")), reverse=True):
        path.rmdir()
    folder.rmdir()


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
