"""Writes small trees as Mapillary Vistas ships them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = {
    14: ("Road", "construction--flat--road", 0),
    20: ("Person", "human--person", 1),
    28: ("Sky", "nature--sky", 0),
    49: ("Traffic Light", "object--traffic-light", 1),
    56: ("Car", "object--vehicle--car", 1),
}
ROAD, PERSON, SKY, LIGHT, CAR = 65_793, 2, 70_000, 16_777_215, 300
"""Ids of segments that need one to three channels."""

CATEGORY_OF = {ROAD: 14, PERSON: 20, SKY: 28, LIGHT: 49, CAR: 56}


def scenes() -> dict[str, np.ndarray]:
    """Maps of segment ids by key: a wide scene with void and a light of one pixel, and a small, high one."""
    wide = np.full((30, 64), ROAD)
    wide[:10] = SKY
    wide[12:24, 8:28] = CAR
    wide[8:27, 24:30] = PERSON
    wide[3, 41] = LIGHT
    wide[26:, 40:] = 0
    high = np.full((20, 12), SKY)
    high[9:] = ROAD
    high[11:16, 2:9] = CAR
    return {"-wide_1": wide, "a-high": high}


def content_of(maps: dict[str, np.ndarray], crowds: tuple[int, ...] = ()) -> dict:
    """What the JSON file says of maps."""
    annotations, images = [], []
    for key, ids in maps.items():
        segments = [
            {"id": i, "category_id": CATEGORY_OF[i], "area": int((ids == i).sum()), "iscrowd": int(i in crowds)}
            for i in sorted(set(ids.ravel().tolist()) - {0})
        ]
        annotations.append({"image_id": key, "file_name": f"{key}.png", "segments_info": segments})
        images.append({"id": key, "file_name": f"{key}.jpg", "height": ids.shape[0], "width": ids.shape[1]})
    categories = [
        {"id": id, "name": name, "supercategory": whole, "isthing": thing, "color": [0, 0, 0]}
        for id, (name, whole, thing) in NAMES.items()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def write(root: Path, layout: str = "new", version: str = "v1.2", split: str = "validation", change=None) -> Path:
    """Write a split: ``old`` is the layout of the archive of v1.2, ``new`` that of v2.0."""
    maps = scenes()
    content = content_of(maps)
    labels = [
        {"name": whole, "readable": name, "instances": bool(thing), "evaluate": True}
        for name, whole, thing in NAMES.values()
    ]
    if version == "v2.0":  # its categories have their whole names
        for category in content["categories"]:
            category["name"], category["supercategory"] = category["supercategory"], "group"
    if change is not None:
        change(content, labels)
    panoptic = root / split / ("panoptic" if layout == "old" else f"{version}/panoptic")
    images = root / split / "images"
    panoptic.mkdir(parents=True, exist_ok=True)
    images.mkdir(parents=True, exist_ok=True)
    for key, ids in maps.items():
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
        Image.fromarray(colours).save(panoptic / f"{key}.png")
        noise = np.random.default_rng(len(key)).integers(0, 256, (*ids.shape, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"{key}.jpg", quality=95)
    file = panoptic / {"v1.2": "panoptic_2018.json", "v2.0": "panoptic_2020.json"}[version]
    file.write_text(json.dumps(content))
    config = "config.json" if layout == "old" else f"config_{version}.json"
    (root / config).write_text(json.dumps({"labels": labels, "version": version[1:]}))
    return root


def zipped(root: Path, folder: Path, version: str) -> Path:
    """Pack a tree into its owners' archive, in another folder; return the folder."""
    folder.mkdir()
    with zipfile.ZipFile(folder / f"mapillary-vistas-dataset_public_{version}.zip", "w") as opened:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            opened.write(path, path.relative_to(root))
    return folder
