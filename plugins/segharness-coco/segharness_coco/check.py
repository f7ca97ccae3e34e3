"""``segharness coco-check``: everything that is wrong with a COCO-format data set, image by image."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from segharness_coco.annotations import are_numbers, broken, complete, structure


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, help="the annotation file")
    parser.add_argument("images", type=Path, help="the folder of the images")


def execute(args: argparse.Namespace) -> int:
    """Print one line a problem; exit code 0 when there is none, 1 otherwise."""
    count = 0
    for problem in _problems(args.annotations, args.images):
        count += 1
        print(problem)
    print(f"{count or 'no'} problem{'' if count == 1 else 's'}", file=sys.stderr)
    return int(bool(count))


def _problems(annotations: Path, images: Path) -> Iterator[str]:
    try:
        content = json.loads(annotations.read_bytes())
    except OSError as error:
        yield f"{annotations}: cannot be read: {error.strerror}"
        return
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        yield f"{annotations}: not JSON: {error}"
        return
    yield from (f"{annotations}: {problem}" for problem in structure(content))
    content = complete(content)
    yield from (f"{annotations}: {problem}" for problem in broken(content))
    yield from _outside(annotations, content)
    console = Console(stderr=True)
    for image in track(content["images"], "images", console=console, transient=True, disable=not console.is_terminal):
        yield from _broken_image(images / image["file_name"], image)


def _outside(annotations: Path, content: dict[str, Any]) -> Iterator[str]:
    """Yield boxes that reach over the border of their image by more than a pixel."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for annotation in content["annotations"]:
        box, size = annotation["bbox"], sizes.get(annotation["image_id"])
        if not are_numbers(box, 4) or size is None or not are_numbers(list(size), 2):
            continue
        (x, y, w, h), (width, height) = box, size
        if x < -1 or y < -1 or x + w > width + 1 or y + h > height + 1:
            yield f"{annotations}: annotation {annotation['id']}: bbox {box} leaves its {width}x{height} image"


def _broken_image(file: Path, image: dict[str, Any]) -> Iterator[str]:
    from PIL import Image

    try:
        with Image.open(file) as picture:
            picture.load()
            size = picture.size
    except FileNotFoundError:
        yield f"{file}: missing"
    except Exception as error:  # noqa: BLE001  Pillow raises many kinds for broken files
        yield f"{file}: cannot be decoded: {error}"
    else:
        if size != (image["width"], image["height"]):
            yield f"{file}: is {size[0]}x{size[1]}, the annotations say {image['width']}x{image['height']}"
